//go:build !unix

package push

import "syscall"

// canAttempt is whether a socket can be written to without waiting. Here it cannot: each connection's own goroutine writes, and may wait.
const canAttempt = false

func writeFD(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }
