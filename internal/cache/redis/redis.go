// Package redis caches the latest state of every device and answers from the archive in Redis. It needs Redis 6 or newer: a
// single server, with Sentinel, or a cluster. If Redis loses data the services are only slower.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Options configure a Client.
type Options struct {
	// URL is redis://user:password@host:6379/0; rediss:// for TLS.
	URL string
	// Password overrides one in the URL, where some characters have to be encoded.
	Password string
	// Addrs are further nodes of a cluster or, with Master, the name of a master, further sentinels.
	Addrs  []string
	Master string
	// Expiry is how long the state of a silent device is kept.
	Expiry time.Duration
}

// Timeouts of a call; its context may allow less.
const (
	dialTimeout = 2 * time.Second
	callTimeout = 10 * time.Second
)

// prefix begins every key. Installations that share a server need different databases.
const prefix = "iotmon:"

// Client is a connection to Redis. Its methods may be called concurrently.
type Client struct {
	redis  goredis.UniversalClient
	expiry time.Duration
}

// The library logs to standard error what it also returns as errors.
func init() { goredis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Open returns a client, which connects when first used. An error means that the options are invalid.
func Open(o Options) (*Client, error) {
	single, err := goredis.ParseURL(o.URL)
	if err != nil {
		// The parser's errors may show the URL, and with it the password.
		if parse := (*url.Error)(nil); errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, fmt.Errorf("parse the URL: %w", err)
	}
	if o.Password != "" {
		single.Password = o.Password
	}
	options := &goredis.UniversalOptions{
		Addrs:                 append([]string{single.Addr}, o.Addrs...),
		MasterName:            o.Master,
		DB:                    single.DB,
		Username:              single.Username,
		Password:              single.Password,
		TLSConfig:             single.TLSConfig,
		DialTimeout:           dialTimeout,
		DialerRetries:         1,
		ReadTimeout:           callTimeout,
		WriteTimeout:          callTimeout,
		ContextTimeoutEnabled: true,
		// The callers decide about retries.
		MaxRetries:      -1,
		IsClusterMode:   o.Master == "" && len(o.Addrs) > 0,
		DisableIdentity: true,
	}
	if options.TLSConfig != nil {
		options.TLSConfig.MinVersion = tls.VersionTLS12
		if options.IsClusterMode || o.Master != "" {
			options.TLSConfig.ServerName = "" // Every node has its own name.
		}
	}
	if o.Master != "" {
		options.SentinelUsername, options.SentinelPassword = single.Username, single.Password
	}
	return &Client{redis: goredis.NewUniversalClient(options), expiry: o.Expiry}, nil
}

// Ping returns an error unless Redis answers.
func (c *Client) Ping(ctx context.Context) error { return c.redis.Ping(ctx).Err() }

// Close closes the connections.
func (c *Client) Close() error { return c.redis.Close() }
