// Package payload decodes what other programs and devices send into points, whose names mapping.Rules know. It is pure, and the cost of a
// hostile payload is bounded.
package payload
