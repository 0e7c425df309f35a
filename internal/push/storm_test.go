package push

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

// The environment of a process that is a storm: where to, and how many.
const stormAddress, stormClients = "IOTMON_TEST_STORM", "IOTMON_TEST_STORM_CLIENTS"

// TestMain runs the tests, or is the process of a storm.
func TestMain(m *testing.M) {
	if address := os.Getenv(stormAddress); address != "" {
		if err := blow(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// blow connects clients, all at once, and reads what they are sent until standard input ends.
func blow(address string) error {
	clients, err := strconv.Atoi(os.Getenv(stormClients))
	if err != nil {
		return err
	}
	var connecting sync.WaitGroup
	failed := make(chan error, clients)
	for range clients {
		connecting.Go(func() {
			conn, _, err := websocket.DefaultDialer.Dial(address, nil)
			if err != nil {
				failed <- err
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn.NetConn()) }()
		})
	}
	connecting.Wait()
	close(failed)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, <-failed)
}
