//go:build unix

package push

import "syscall"

// canAttempt is whether a socket can be written to without waiting.
const canAttempt = true

// writeFD writes to a socket, which Go has set to non-blocking.
func writeFD(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
