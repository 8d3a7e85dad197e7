/**
 * @typedef {object} CodeBlock
 * @property {number} line Of the block's first line of code, counted from 1.
 * @property {string} code
 */

/**
 * The TypeScript blocks of a Markdown text: fences of ``` that say `ts`. An unclosed one reaches to the end, as in Markdown.
 * @param {string} markdown
 * @returns {CodeBlock[]}
 */
export function codeBlocks(markdown) {
  /** @type {CodeBlock[]} */
  const blocks = [];
  /** @type {{ fence: string, start: number, language: string } | undefined} */
  let open;
  const lines = markdown.split('\n');
  /** @param {number} end */
  const close = (end) => {
    if (open?.language === 'ts') {
      blocks.push({ line: open.start + 1, code: `${lines.slice(open.start, end).join('\n')}\n` });
    }
    open = undefined;
  };
  for (const [index, line] of lines.entries()) {
    const match = /^ {0,3}(`{3,})\s*(\S*)/.exec(line);
    if (!match) continue;
    const [, fence = '', language = ''] = match;
    if (!open) open = { fence, start: index + 1, language };
    else if (language === '' && fence.length >= open.fence.length) close(index);
  }
  close(lines.length);
  return blocks;
}
