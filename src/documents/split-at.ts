/** Where a text may be cut, the best places first; each matches what stands right before the cut. */
const PLACES: readonly RegExp[] = [/\n/g, /[.!?…。！？]["'”’)\]]*(?=\s|$)|[。！？]/g, /\s/g];

/** A cut is not made so early that less than this share of the room is used, if there is any later place. */
const LEAST_SHARE = 1 / 2;

/**
 * Where to cut a text that is too long: at the last line, sentence or word that ends between the two places, else at `most`,
 * or one earlier where that is within a surrogate pair. Always after `start`, which is before `most`.
 */
export function splitAt(text: string, start: number, most: number): number {
  const part = text.slice(start, most);
  const least = Math.floor(part.length * LEAST_SHARE);
  for (const place of PLACES) {
    let end = 0;
    for (const { index, 0: matched } of part.matchAll(place)) {
      end = index + matched.length;
    }
    if (end > least) {
      return start + end;
    }
  }
  if (!isWithinPair(text, most)) {
    return most;
  }
  return most - start > 1 ? most - 1 : most + 1;
}

function isWithinPair(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}
