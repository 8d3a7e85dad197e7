import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Biome lints everything else; these two rules need types. */
export default defineConfig(globalIgnores(['**/dist/', '**/build/', 'docs/api/', 'coverage/', '.cache/']), {
  files: ['**/*.ts', 'scripts/**/*.mjs', 'test/**/*.mjs'],
  languageOptions: {
    parser: tseslint.parser,
    parserOptions: { project: 'tsconfig.test.json', tsconfigRootDir: import.meta.dirname },
  },
  plugins: { '@typescript-eslint': tseslint.plugin },
  rules: {
    '@typescript-eslint/no-floating-promises': 'error',
    '@typescript-eslint/no-misused-promises': 'error',
  },
});
