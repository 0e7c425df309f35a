// Package recording reads tables of readings as people keep them: texts in many encodings, fields cut by a character or by
// blanks, lines above the header, times in one column or several, numbers with their unit. It reads row by row and its
// memory does not grow with the file. What it finds out by itself it can tell; between day and month it never decides.
package recording
