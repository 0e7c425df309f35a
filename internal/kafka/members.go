package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ArchiverGroup returns the name of the archivers' group, CacheGroup that of the group that fills the cache, of a processors' group.
func ArchiverGroup(processors string) string { return processors + "-archiver" }

// CacheGroup is described at ArchiverGroup.
func CacheGroup(processors string) string { return processors + "-cache" }

// Role is what a consumer group does.
type Role string

// The roles, each of which is a group of its own.
const (
	RoleProcessor Role = "processor"
	RoleArchiver  Role = "archiver"
	RoleCache     Role = "cache"
	// RoleProgram is that of the programs that process no partitions: see Presence.
	RoleProgram Role = "program"
)

// Member is one member of a consumer group.
type Member struct {
	Role Role
	// ID is that of the membership, which Presence.ID returns to its program.
	ID string
	// Client is the member's client id: the name of its service and its version. Host is where it connects from, as the broker says.
	Client, Host string
	// Partitions are those of the readings' topic that it reads, in their order; for the cache, of the states'; none for a program.
	Partitions []int32
}

// Members returns the members of all groups, by role, client and host; with an error, those that it has found.
func (p *Progress) Members(ctx context.Context) ([]Member, error) {
	var members []Member
	for _, role := range []Role{RoleProcessor, RoleArchiver, RoleCache, RoleProgram} {
		name, topic := p.group, p.topics.Readings
		switch role {
		case RoleArchiver:
			name = ArchiverGroup(p.group)
		case RoleCache:
			name, topic = CacheGroup(p.group), p.topics.States
		case RoleProgram:
			name, topic = ProgramGroup(p.group), "" // What the group assigns to a program the program does not read.
		}
		of, err := p.membersOf(ctx, name, topic)
		if err != nil {
			return members, fmt.Errorf("describe group %s: %w", name, err)
		}
		for i := range of {
			of[i].Role = role
		}
		members = append(members, of...)
	}
	return members, nil
}

// membersOf returns the members of one group, with the partitions of a topic that they read.
func (p *Progress) membersOf(ctx context.Context, group, topic string) ([]Member, error) {
	members, err := p.classicMembers(ctx, group, topic)
	if len(members) == 0 && p.serverSideGroups {
		members, err = p.serverSideMembers(ctx, group, topic)
	}
	slices.SortFunc(members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Host, b.Host), slices.Compare(a.Partitions, b.Partitions))
	})
	return members, err
}

// classicMembers returns the members of a group that assigns its partitions itself.
func (p *Progress) classicMembers(ctx context.Context, group, topic string) ([]Member, error) {
	described, err := p.admin.DescribeGroups(ctx, group)
	if err == nil {
		err = described[group].Err
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // It has had no members yet.
	}
	var members []Member
	for _, m := range described[group].Members {
		member := Member{ID: m.MemberID, Client: m.ClientID, Host: host(m.ClientHost), Partitions: []int32{}}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				if t.Topic == topic {
					member.Partitions = slices.Sorted(slices.Values(t.Partitions))
				}
			}
		}
		members = append(members, member)
	}
	return members, err
}

// serverSideMembers returns the members of a group whose partitions the broker assigns (KIP-848).
func (p *Progress) serverSideMembers(ctx context.Context, group, topic string) ([]Member, error) {
	described, err := p.admin.DescribeConsumerGroups(ctx, group)
	if err == nil {
		err = described[group].Err
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	var members []Member
	for _, m := range described[group].Members {
		partitions := m.Assignment[topic]
		members = append(members, Member{ID: m.MemberID, Client: m.ClientID, Host: host(m.ClientHost), Partitions: slices.Sorted(maps.Keys(partitions))})
	}
	return members, err
}

// host returns the host of a client as a broker describes it, which is /10.0.0.7, or 127.0.0.1:0 in the embedded broker.
func host(described string) string {
	if host, _, err := net.SplitHostPort(described); err == nil {
		return host
	}
	return strings.TrimPrefix(described, "/")
}
