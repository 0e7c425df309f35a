package command

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// testTimeout is how long the answer to a test may take.
const testTimeout = 30 * time.Second

// Notify is the command iotmon notify: it has a running service send a test message to a channel, prints what became of it, and returns the exit
// status. Help is printed for -h.
func Notify(ctx context.Context, args []string, help string, stdout, stderr io.Writer) int {
	if slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		fmt.Fprint(stdout, help)
		return Done
	}
	if len(args) < 2 || args[0] != "test" || strings.HasPrefix(args[1], "-") {
		fmt.Fprintln(stderr, "iotmon notify: want: iotmon notify test CHANNEL")
		return CannotStart
	}
	flags := flag.NewFlagSet("iotmon notify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	base := flags.String("url", "http://localhost:8080", "")
	if flags.Parse(args[2:]) != nil {
		return CannotStart
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "iotmon notify: unexpected %q\n", flags.Arg(0))
		return CannotStart
	}
	tried, err := testChannel(ctx, strings.TrimRight(*base, "/"), args[1])
	if err != nil {
		fmt.Fprintf(stderr, "iotmon notify: %v\n", err)
		return Failed
	}
	status := Done
	for _, d := range tried {
		fmt.Fprintln(stdout, strings.TrimSpace(strings.Join([]string{d.Channel, d.Recipient, d.State, d.Outcome}, " ")))
		if d.State != "sent" {
			status = Failed
		}
	}
	return status
}

// triedDelivery is what the command shows of a delivery.
type triedDelivery struct {
	Channel   string `json:"channel"`
	Recipient string `json:"recipient"`
	State     string `json:"state"`
	Outcome   string `json:"outcome"`
}

// testChannel asks the service at an address to try a channel.
func testChannel(ctx context.Context, base, channel string) ([]triedDelivery, error) {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"channel": channel})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/notifications/test", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProbed))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Detail string          `json:"detail"`
		Items  []triedDelivery `json:"items"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%s does not answer as iotmon does: %s", base, response.Status)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, answer.Detail)
	}
	return answer.Items, nil
}
