import { type CallOptions, toGantryError } from '@gantry/interface';
import type { Lifecycle } from './lifecycle.js';
import type { CheckedPod } from './pod.js';

/**
 * Launches the sandbox of a pod, then all its containers at once. If one cannot be launched all are ended; if the host
 * program ends before the mark is made, recovery ends them.
 */
export async function launchPod(life: Lifecycle, pod: CheckedPod, options: CallOptions): Promise<void> {
  const sandbox = life.create(pod.sandbox);
  sandbox.pod = pod.record;
  sandbox.complete = false;
  const launchAll = async () => {
    await life.launch(sandbox, options);
    const launches = pod.containers.map((spec) => {
      const container = life.create(spec);
      container.launching = life.launch(container, options);
      return container.launching;
    });
    try {
      await Promise.all(launches);
      await sandbox.folder?.markComplete();
    } catch (error) {
      sandbox.failure = toGantryError(error, `launching pod ${sandbox.id}`);
      await life.end(sandbox);
      await Promise.allSettled(launches);
      throw sandbox.failure;
    }
    sandbox.complete = true;
    // Those that have ended meanwhile.
    life.review(sandbox);
  };
  sandbox.launching = launchAll();
  await sandbox.launching;
}
