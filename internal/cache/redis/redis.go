// Package redis keeps in Redis what makes the services faster: the latest state of every device, and answers about the past.
// It needs Redis 6 or newer, alone, behind Sentinel, or as a cluster. Whatever is lost there is only slower.
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

// Options say how Redis is reached.
type Options struct {
	// URL is redis://user:password@host:6379/0; rediss:// for TLS.
	URL string
	// Password wins over one in the URL, which would have to encode some characters.
	Password string
	// Addrs are more nodes of a cluster; with Master, the name of a master, more of the sentinels that know it.
	Addrs  []string
	Master string
	// Expiry is how long the state of a device is kept that says nothing.
	Expiry time.Duration
}

// Bounds of what a call waits for; its context may allow less.
const (
	dialTimeout = 2 * time.Second
	callTimeout = 10 * time.Second
)

// prefix is before every key. Installations that share a server take databases of their own.
const prefix = "iotmon:"

// Client is a connection to Redis. Its methods may be called concurrently.
type Client struct {
	redis  goredis.UniversalClient
	expiry time.Duration
}

// The library writes to standard error what its callers are told as well.
func init() { goredis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Open returns a client. It connects when it is first used; an error is one of the options.
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
		// Whoever calls knows better whether it is worth trying again.
		MaxRetries:      -1,
		IsClusterMode:   o.Master == "" && len(o.Addrs) > 0,
		DisableIdentity: true,
	}
	if options.TLSConfig != nil {
		options.TLSConfig.MinVersion = tls.VersionTLS12
		if options.IsClusterMode || o.Master != "" {
			options.TLSConfig.ServerName = "" // Every node has its own.
		}
	}
	if o.Master != "" {
		options.SentinelUsername, options.SentinelPassword = single.Username, single.Password
	}
	return &Client{redis: goredis.NewUniversalClient(options), expiry: o.Expiry}, nil
}

// Ping asks whether Redis answers.
func (c *Client) Ping(ctx context.Context) error { return c.redis.Ping(ctx).Err() }

// Close closes the connections.
func (c *Client) Close() error { return c.redis.Close() }
