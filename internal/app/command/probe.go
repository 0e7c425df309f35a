package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"iotmon/internal/config"
)

// probeTimeout is how long a service may take to answer a probe.
const probeTimeout = 3 * time.Second

// maxProbed is how many bytes of an answer are shown.
const maxProbed = 64 << 10

// probe sends a GET request to the service that runs with this configuration, prints the answer and returns the exit status:
// 0 if the answer has status 200. Container images have no shell, so their health check is this command.
func (p *Program) probe(ctx context.Context, cfg *config.Config, stdout, stderr io.Writer) int {
	if err := ask(ctx, "http://"+reachable(cfg.Server.Addr)+cfg.Probe, stdout); err != nil {
		fmt.Fprintf(stderr, "%s: probe: %v\n", p.Service, err)
		return Failed
	}
	return Done
}

// ask writes the answer to GET url to w. A status other than 200 is an error.
func ask(ctx context.Context, url string, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	// The transport is used once, and not through a proxy that the environment names: the service is on this machine.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(w, io.LimitReader(response.Body, maxProbed)); err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}
