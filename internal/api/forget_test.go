package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

// forgetful is a plant that forgets a device so long after it was asked to; never if that is 0.
type forgetful struct {
	mu sync.Mutex
	plant
	after time.Duration
	err   error
	asked []iot.DeviceID
}

func (f *forgetful) Device(id iot.DeviceID) (iot.DeviceState, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.plant.Device(id)
}

func (f *forgetful) Known(id iot.DeviceID) bool {
	_, known := f.Device(id)
	return known
}

func (f *forgetful) Forget(_ context.Context, id iot.DeviceID) error {
	f.asked = append(f.asked, id)
	if f.err != nil || f.after == 0 {
		return f.err
	}
	time.AfterFunc(f.after, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.plant = slices.DeleteFunc(f.plant, func(s iot.DeviceState) bool { return s.Latest.ID == id })
	})
	return nil
}

// use has an API forget devices by the plant, without a registry.
func (f *forgetful) use(o *api.Options) { o.Forgetter, o.Registry, o.Entries = f, nil, nil }

// strangeIDs are ids with characters that must be escaped in a URL.
var strangeIDs = []iot.DeviceID{
	"site/a?b#c%2F", "a b  c", `it's "7"`, "设备/一", "🌡️ 3", "a+b&c=d;e", "...", "%", `back\slash`, "<b>", "a//b", "./x", "a/",
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde/",
}

func TestForgettingADevice(t *testing.T) {
	for _, test := range []struct {
		name   string
		id     iot.DeviceID
		fleet  *forgetful
		status int
		took   time.Duration
	}{
		{"gone at once", "d1", &forgetful{after: time.Millisecond}, http.StatusNoContent, 20 * time.Millisecond},
		{"gone in time", "d1", &forgetful{after: 1990 * time.Millisecond}, http.StatusNoContent, 2 * time.Second},
		{"the processor is away", "d1", &forgetful{}, http.StatusAccepted, 2 * time.Second},
		{"unknown", "d2", &forgetful{}, http.StatusNotFound, 0},
		{"the log is away", "d1", &forgetful{err: errors.New("away")}, http.StatusServiceUnavailable, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fleet := test.fleet
				fleet.plant = plant{device("d1", iot.Temperature, 20, nil)}
				h := newAPI(t, fleet, &archive{}, fleet.use)
				began := time.Now()
				w := request(h, http.MethodDelete, "/api/v1/devices/"+string(test.id))
				if took := time.Since(began); w.Code != test.status || took > test.took {
					t.Errorf("got %d after %v: %s; want %d within %v", w.Code, took, w.Body, test.status, test.took)
				}
				if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				time.Sleep(2 * time.Second) // Whatever is still to happen in the bubble.
			})
		})
	}
}

func TestAnyIDCanBeAskedForAndForgotten(t *testing.T) {
	for _, id := range strangeIDs {
		synctest.Test(t, func(t *testing.T) {
			fleet := &forgetful{plant: plant{device(id, iot.Temperature, 20, nil), device("other", iot.Temperature, 1, nil)}, after: time.Millisecond}
			h := newAPI(t, fleet, &archive{points: []api.Point{{Time: noon, Value: 1}}}, fleet.use)
			path := "/api/v1/devices/" + url.PathEscape(string(id))
			if got := get[struct {
				ID iot.DeviceID `json:"device_id"`
			}](t, h, path); got.ID != id {
				t.Errorf("got device %q, want %q", got.ID, id)
			}
			if got := get[struct {
				ID iot.DeviceID `json:"device_id"`
			}](t, h, path+"/readings"); got.ID != id {
				t.Errorf("got the readings of %q, want of %q", got.ID, id)
			}
			if got := ids(get[devicePage](t, h, "/api/v1/devices?limit=1&q="+url.QueryEscape(string(id))).Items); !slices.Equal(got, []iot.DeviceID{id}) {
				t.Errorf("looking for %q: got %q", id, got)
			}
			if w := request(h, http.MethodDelete, path); w.Code != http.StatusNoContent || !slices.Equal(fleet.asked, []iot.DeviceID{id}) {
				t.Errorf("forgetting %q: got %d, asked to forget %q", id, w.Code, fleet.asked)
			}
		})
	}
}

// A web page of another origin, open in the browser of a user, must not be able to forget devices or send readings.
func TestPagesOfOtherOriginsChangeNothing(t *testing.T) {
	fleet := &forgetful{plant: plant{device("d1", iot.Temperature, 20, nil)}, after: time.Nanosecond}
	h := newAPI(t, fleet, &archive{}, func(o *api.Options) {
		fleet.use(o)
		o.AllowedOrigins = []string{"https://plant.example"}
	})
	for _, test := range []struct {
		name   string
		header map[string]string
		status int
	}{
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, http.StatusForbidden},
		{"another site, an old browser", map[string]string{"Origin": "https://evil.example"}, http.StatusForbidden},
		{"nowhere", map[string]string{"Origin": "null"}, http.StatusForbidden},
		{"an allowed origin", map[string]string{"Origin": "https://plant.example"}, http.StatusTeapot},
		{"its own page", map[string]string{"Origin": "http://example.com"}, http.StatusTeapot},
		{"its own page behind a proxy that rewrites Host", map[string]string{"Origin": "https://other.example", "Sec-Fetch-Site": "same-origin"}, http.StatusTeapot},
		{"no browser", nil, http.StatusTeapot},
	} {
		for _, to := range []struct {
			method, path string
			status       int
		}{{http.MethodPost, "/api/v1/readings", test.status}, {http.MethodDelete, "/api/v1/devices/unknown", test.status}} {
			r := httptest.NewRequest(to.method, to.path, nil)
			for name, value := range test.header {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			want := to.status
			if want != http.StatusForbidden && to.method == http.MethodDelete {
				want = http.StatusNotFound
			}
			if w.Code != want {
				t.Errorf("%s, %s: got %d %s, want %d", test.name, to.method, w.Code, w.Body, want)
			}
		}
	}
}
