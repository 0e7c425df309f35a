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
	// memoryAnswers bounds, in bytes, the cached answers of a process that has no Redis.
	memoryAnswers = 16 << 20
	// pingInterval is how often Redis is pinged; pingTimeout is how long one ping may take.
	pingInterval = 5 * time.Second
	pingTimeout  = 2 * time.Second
)

// openRedis makes the client and adds a watch of the server. Every user of the cache goes on without Redis and reports
// nothing, so the watch is what logs an outage.
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
			s.Logger.Info("Redis answers again")
		})
		return nil
	})
	return nil
}

// watchRedis pings until ctx ends. It calls changed after the first ping and whenever Redis begins or ceases to answer, with
// nil if Redis answers, otherwise with the error of the ping.
func (s *Service) watchRedis(ctx context.Context, changed func(error)) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for first, was := true, false; ; {
		ping, cancel := context.WithTimeout(ctx, pingTimeout)
		err := s.redis.Ping(ping)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if answers := err == nil; first || answers != was {
			first, was = false, answers
			changed(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// states returns where the live view gets its first device states from: Redis, or the processor in the same process. It
// returns nil if there is neither; then the live view reads all of device-state.
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

// answers returns the cache of answers about the past: Redis, or memory if there is no Redis.
func (s *Service) answers() api.Answers {
	if s.redis == nil {
		return memory.NewAnswers(memoryAnswers, s.metrics.Cache.Answered)
	}
	return redis.NewAnswers(s.redis, s.metrics.Cache.Answered)
}
