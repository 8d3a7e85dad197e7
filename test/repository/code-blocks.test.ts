import { expect, it } from 'vitest';
import { codeBlocks } from '../../scripts/lib/code-blocks.mjs';

it('finds the ts blocks of a document and the lines they stand at', () => {
  const text = ['# Title', '```ts', 'first;', '', '```', '```sh', 'ls', '```', '  ```ts', 'second;', '  ```', ''].join(
    '\n',
  );
  expect(codeBlocks(text)).toEqual([
    { line: 3, code: 'first;\n\n' },
    { line: 10, code: 'second;\n' },
  ]);
});

it('takes a shorter fence inside a block for text of the block', () => {
  const text = ['````md', '```ts', 'shown;', '```', '````', '```ts', 'real;', '```'].join('\n');
  expect(codeBlocks(text)).toEqual([{ line: 7, code: 'real;\n' }]);
});

it('checks a block that was never closed to the end of the document', () => {
  expect(codeBlocks('```ts\nopen;')).toEqual([{ line: 2, code: 'open;\n' }]);
});
