//go:build !unix

package push

import "syscall"

// canAttempt is whether there is a way to write without waiting. Here each client's own goroutine writes, and may wait.
const canAttempt = false

func writeFD(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }
