// @ts-check

/** What is not seen and may change how others are read: controls, directions, joiners, and all else that has no shape. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Returns what a device says of itself, such as its id, so that two that differ look different: what is not seen is written as its code.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(unseen, (character) => `[U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`);
}
