// Package recording reads tables of readings in the formats in which they are found in practice: text in many encodings, fields
// separated by a character or by blanks, lines above the header, times in one or several columns, numbers with units. It reads
// row by row, so its memory does not grow with the file. It detects the format, and can describe what it has detected. It never
// guesses which of two numbers is the day and which the month.
package recording
