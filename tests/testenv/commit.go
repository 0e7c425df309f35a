package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// BuildCommit builds the programs of an earlier commit of this repository into a directory, with the flags of Build. A clone without
// its history fetches the commit first.
func BuildCommit(commit, into string) (err error) {
	root, err := checkout()
	if err != nil {
		return err
	}
	if _, err := git(root, "cat-file", "-e", commit+"^{commit}"); err != nil {
		if _, err := git(root, "fetch", "--depth=1", "origin", commit); err != nil {
			return fmt.Errorf("the sources of commit %s are needed: git fetch --unshallow: %w", commit, err)
		}
	}
	source, err := os.MkdirTemp("", "iotmon-source-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(source)) }()
	archive, err := git(root, "archive", commit)
	if err != nil {
		return err
	}
	unpack := exec.Command("tar", "-x", "-C", source)
	unpack.Stdin = bytes.NewReader(archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack commit %s: %w\n%s", commit, err, out)
	}
	return BuildIn(source, into, "-tags", "grpcnotrace", "./cmd/...")
}

// git runs a command of git and returns its output.
func git(root string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	command := exec.Command("git", append([]string{"-C", root}, args...)...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", command, err, &stderr)
	}
	return stdout.Bytes(), nil
}
