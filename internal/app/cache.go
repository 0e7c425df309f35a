package app

import (
	"context"
	"fmt"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/cache/memory"
	"iotmon/internal/cache/redis"
	"iotmon/internal/config"
	"iotmon/internal/kafka"
)

const (
	// ownAnswers is how many bytes of answers a process keeps that has no Redis.
	ownAnswers = 16 << 20
	// pingInterval is how often Redis is asked whether it is there, and pingTimeout how long that may take.
	pingInterval = 5 * time.Second
	pingTimeout  = 2 * time.Second
)

// openRedis makes the client, and watches the server: what misses it goes on without, so nobody else would tell.
func (s *Service) openRedis(context.Context) error {
	if s.cfg.Redis.URL == "" {
		return nil
	}
	client, err := redis.Open(redis.Options{
		URL:      s.cfg.Redis.URL,
		Password: s.cfg.Redis.Password,
		Addrs:    s.cfg.Redis.Addrs,
		Master:   s.cfg.Redis.Master,
		Expiry:   s.cfg.Redis.Expiry,
	})
	if err != nil {
		return fmt.Errorf("redis.url: %w", err)
	}
	s.onClose("redis", client.Close)
	s.redis = client
	part := s.readiness.Mention("redis")
	s.add("redis watch", func(ctx context.Context) error {
		s.watchRedis(ctx, func(err error) {
			if err != nil {
				part.NotReady(err.Error())
				s.Logger.Warn("Redis does not answer; everything goes on, more slowly", "reason", err)
				return
			}
			part.Ready()
			s.Logger.Info("Redis answers")
		})
		return nil
	})
	return nil
}

// watchRedis pings until ctx ends, and calls told when the answer is another one than before: nil, or why there is none.
func (s *Service) watchRedis(ctx context.Context, told func(error)) {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for first, was := true, false; ; {
		ping, cancel := context.WithTimeout(ctx, pingTimeout)
		err := s.redis.Ping(ping)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if answers := err == nil; first || answers != was {
			first, was = false, answers
			told(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// states returns what the live view starts from, rather than from the log; nil for nothing.
func (s *Service) states() kafka.StateLoader {
	switch {
	case s.redis != nil:
		return redis.States{Client: s.redis}
	case s.handover != nil && s.has(config.RoleProcessor):
		return s.handover
	default:
		return nil
	}
}

// answers returns where answers about the past are kept.
func (s *Service) answers() api.Answers {
	if s.redis == nil {
		return memory.NewAnswers(ownAnswers, s.metrics.Cache.Answered)
	}
	return redis.NewAnswers(s.redis, s.metrics.Cache.Answered)
}
