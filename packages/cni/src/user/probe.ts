import { type HostAbility, toGantryError, type UserStack } from '@gantry/interface';
import { ageObstacle, chooseStack, type StackHost, stackHost, stackObstacle } from './choice.js';

/** Whether containers can have `network: 'user'` here, by what, and why not by the other one. */
export function probeUserNetwork(host: StackHost = stackHost()): HostAbility {
  const name = "network 'user'";
  try {
    const { stack } = chooseStack(host);
    const other: UserStack = stack === 'pasta' ? 'slirp4netns' : 'pasta';
    const why = stackObstacle(other, host) ?? ageObstacle(other, host);
    return { name, works: true, detail: why === undefined ? stack : `${stack}; ${why}` };
  } catch (error) {
    const { message } = toGantryError(error, name);
    const at = message.lastIndexOf('; ');
    return { name, works: false, reason: message.slice(0, at), remedy: message.slice(at + 2) };
  }
}
