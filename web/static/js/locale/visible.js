// @ts-check

/** The characters that cannot be seen and may change how others are read: controls, directions, joiners and the like. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Returns a text of a device, such as its id, with every invisible character written as its code, so that different texts look different.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(unseen, (character) => `[U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`);
}
