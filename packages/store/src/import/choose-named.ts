import { GantryError } from '@gantry/interface';

const mostShown = 20;

/**
 * The one of some images that has the name asked for; without a name the only one there is. `NOT_FOUND` if there is none,
 * `INVALID_ARGUMENT` (field `reference`) if there is a choice and no name, `INVALID_ARCHIVE` if two have the name.
 */
export function chooseNamed<T>(
  source: string,
  named: readonly (readonly [name: string | undefined, image: T])[],
  name: string | undefined,
): T {
  const images = new Set(named.filter(([own]) => name === undefined || own === name).map(([, image]) => image));
  const [only] = images;
  if (only !== undefined && images.size === 1) return only;
  const names = showNames(named.map(([own]) => own));
  if (name === undefined) {
    throw new GantryError('INVALID_ARGUMENT', `${source} holds several images: name one as \`reference\`: ${names}`, {
      details: { field: 'reference' },
    });
  }
  const details = { reference: name };
  if (images.size > 1)
    throw new GantryError('INVALID_ARCHIVE', `${source}: two images are called ${name}`, { details });
  throw new GantryError('NOT_FOUND', `${source}: no image is called ${name}; there is ${names}`, { details });
}

/** The names in a source, for an error. */
export function showNames(all: readonly (string | undefined)[]): string {
  const names = [...new Set(all)].filter((name) => name !== undefined).map((name) => JSON.stringify(name));
  if (names.length === 0) return 'none with a name';
  return names.length > mostShown ? `${names.slice(0, mostShown).join(', ')}, …` : names.join(', ');
}
