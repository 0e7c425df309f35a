package postgres_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"iotmon/internal/archive"
	"iotmon/internal/store/postgres"
	"iotmon/internal/store/storetest"
)

// The password of the configuration is used unchanged, and takes precedence over one in the URL.
func TestAPasswordOfAnyCharacters(t *testing.T) {
	s := ownServer(t, "fsync=off")
	const password = `p@s/s%d#?{1}$w"\ ';&é`
	address := s.url("postgres")
	command(t, address, `CREATE ROLE plain LOGIN SUPERUSER PASSWORD '`+strings.ReplaceAll(password, `'`, `''`)+`'`)
	if err := s.allowPasswords(); err != nil {
		t.Fatal(err)
	}
	for _, in := range []*url.Userinfo{url.User("plain"), url.UserPassword("plain", "wrong")} {
		store, err := postgres.Open(postgres.Options{
			URL: with(t, address, func(u *url.URL) { u.User = in }), Password: password, ReadingsTopic: storetest.Topic,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if err := store.Migrate(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := store.Prune(context.Background(), archive.Retention{}); err != nil {
			t.Error(err)
		}
	}
	wrong, err := postgres.Open(postgres.Options{URL: with(t, address, func(u *url.URL) { u.User = url.User("plain") }), Password: password + "?"})
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	if err := wrong.Migrate(context.Background()); err == nil || strings.Contains(err.Error(), "p@s") || postgres.Transient(err) {
		t.Errorf("got %v, want a refusal that somebody has to put right, without the password", err)
	}
}
