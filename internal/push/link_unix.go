//go:build unix

package push

import "syscall"

// canAttempt is whether there is a way to write without waiting.
const canAttempt = true

// writeFD writes to a socket, which Go has set not to wait.
func writeFD(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
