import { StoreError } from '../util/errors.js';

const TAG = '$float';
const SPECIAL: readonly number[] = [NaN, Infinity, -Infinity, -0];

/**
 * JSON in which every double comes back bit for bit (NaN as the one NaN): finite numbers in the
 * shortest form that reads back the same, NaN, ±∞ and −0, which JSON lacks, as `{"$float":"NaN"}`.
 *
 * @throws {StoreError} for an object that has a member `$float` of its own.
 */
export function exactJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member === 'number' && SPECIAL.some((special) => Object.is(special, member)))
      return { [TAG]: Object.is(member, -0) ? '-0' : String(member) };
    if (typeof member === 'object' && member !== null && TAG in member)
      throw new StoreError({ what: 'a member name is reserved', where: 'JSON value', got: TAG });
    return member;
  });
}

/** Reads {@link exactJson}. */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, (_name, member: unknown) =>
    isTagged(member) ? Number(member[TAG]) : member,
  );
}

function isTagged(value: unknown): value is { [TAG]: string } {
  return typeof value === 'object' && value !== null && TAG in value;
}
