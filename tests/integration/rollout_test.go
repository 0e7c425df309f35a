package integration

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"iotmon/tests/testenv"
)

// TestRollingUpdateLosesNothing replaces every pod of every service while readings are posted and a viewer looks on, with
// the probes, the pauses and the signals of the manifests in k8s. No request may fail, and everything must be there.
func TestRollingUpdateLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	servers := testenv.Own(t, testenv.KafkaServer, testenv.PostgresServer, testenv.RedisServer)
	d := deploy(t, servers)
	producer := replicate(t, d, "producer", "-no-simulator")
	consumer, websocket, web := replicate(t, d, "consumer"), replicate(t, d, "websocket"), replicate(t, d, "web")
	p := startPosters(t, web.address.URL, "rollout")
	viewer := startViewer(t, &server{addr: strings.TrimPrefix(websocket.address.URL, "http://")})
	acknowledged := func() bool { return p.acknowledged.Load() > 100 }
	waitFor(t, patience, "readings are acknowledged", acknowledged)
	for _, service := range []*replicas{consumer, websocket, web, producer} {
		before, visits := p.acknowledged.Load(), viewer.visited()
		service.update()
		if sent := p.acknowledged.Load() - before; sent < 50 {
			t.Errorf("%d readings were sent while %s was replaced: that shows nothing", sent, service.name)
		}
		if service == websocket {
			waitFor(t, patience, "the viewer is back", func() bool { return viewer.visited() > visits })
		}
	}
	samples := p.stop()
	if failed := p.attempted.Load() - p.acknowledged.Load(); failed != 0 {
		t.Errorf("%d of %d readings were not acknowledged at the first attempt", failed, p.attempted.Load())
	}
	verifyDeployment(t, web.pods[0], servers.PostgresURL(), samples)
	truth := summarize(samples, 2*time.Second)
	if !eventually(patience, func() bool { return len(viewer.differs(truth)) == 0 }) {
		wrong := viewer.differs(truth)
		t.Errorf("the viewer is wrong about %d of %d windows: %v", len(wrong), len(truth), wrong[:min(5, len(wrong))])
	}
}

// manifest is a Deployment, as far as a rollout goes.
type manifest struct {
	Spec struct {
		Replicas int
		Strategy struct {
			Type          string
			RollingUpdate struct {
				MaxSurge       int `yaml:"maxSurge"`
				MaxUnavailable int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		}
		Template struct {
			Spec struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []struct {
					StartupProbe   probe `yaml:"startupProbe"`
					ReadinessProbe probe `yaml:"readinessProbe"`
					Lifecycle      struct {
						PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
					}
				}
			}
		}
	}
}

type probe struct {
	HTTPGet          struct{ Path string } `yaml:"httpGet"`
	PeriodSeconds    int                   `yaml:"periodSeconds"`
	FailureThreshold int                   `yaml:"failureThreshold"`
}

func (p *probe) patience() time.Duration {
	return time.Duration(p.PeriodSeconds*p.FailureThreshold) * time.Second
}

// replicas are the processes of one service, kept as Kubernetes would keep its pods.
type replicas struct {
	t    *testing.T
	d    *deployment
	name string
	args []string
	manifest
	pods []*server
	// address leads to the pods that are ready, in turn.
	address *httptest.Server

	mu    sync.Mutex
	ready []*server // guarded by mu
	turn  atomic.Int64
}

// replicate starts a service with the settings of its manifest.
func replicate(t *testing.T, d *deployment, name string, args ...string) *replicas {
	t.Helper()
	r := &replicas{t: t, d: d, name: name, args: args}
	text, err := os.ReadFile("../../k8s/" + name + "/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &r.manifest); err != nil {
		t.Fatalf("%s/deployment.yaml: %v", name, err)
	}
	for range r.Spec.Replicas {
		r.startPod()
	}
	r.address = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) { request.SetURL(&url.URL{Scheme: "http", Host: r.next()}) },
		// Every request is a new connection and may reach another pod.
		Transport: &http.Transport{DisableKeepAlives: true},
	})
	t.Cleanup(r.address.Close)
	return r
}

func (r *replicas) next() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ready) == 0 {
		return "127.0.0.1:1" // Refuses.
	}
	return r.ready[int(r.turn.Add(1))%len(r.ready)].addr
}

// startPod returns when the new pod gets requests.
func (r *replicas) startPod() {
	r.t.Helper()
	pod := newProgram(r.t, r.name, r.d.config, r.args...)
	pod.launch()
	container := r.Spec.Template.Spec.Containers[0]
	pod.await(container.StartupProbe.HTTPGet.Path, container.StartupProbe.patience())
	pod.await(container.ReadinessProbe.HTTPGet.Path, patience)
	r.pods = append(r.pods, pod)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = append(r.ready, pod)
}

// update replaces all pods.
func (r *replicas) update() {
	r.t.Helper()
	old := slices.Clone(r.pods)
	if r.Spec.Strategy.Type == "Recreate" {
		for _, pod := range old {
			r.terminate(pod)
		}
		for range old {
			r.startPod()
		}
		return
	}
	if s := r.Spec.Strategy.RollingUpdate; s.MaxSurge != 1 || s.MaxUnavailable != 0 {
		r.t.Fatalf("%s: this test knows how to add one and then take one away, not %+v", r.name, s)
	}
	var terminating sync.WaitGroup
	for _, pod := range old {
		r.startPod()
		terminating.Go(func() { r.terminate(pod) })
		r.pods = slices.DeleteFunc(r.pods, func(other *server) bool { return other == pod })
	}
	terminating.Wait()
}

// propagationDelay is the time until no request is sent any more to a pod that is being terminated.
const propagationDelay = time.Second

// terminate does what the kubelet does, and, at the same time, what the rest of the cluster does.
func (r *replicas) terminate(pod *server) {
	began := time.Now()
	forgotten := time.AfterFunc(propagationDelay, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ready = slices.DeleteFunc(r.ready, func(other *server) bool { return other == pod })
	})
	defer forgotten.Stop()
	time.Sleep(time.Duration(r.Spec.Template.Spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second)
	if err := pod.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Error(err)
	}
	grace := time.Duration(r.Spec.Template.Spec.Grace) * time.Second
	select {
	case err := <-pod.exited:
		if err != nil {
			r.t.Errorf("%s ended with %v after SIGTERM", r.name, err)
		}
	case <-time.After(time.Until(began.Add(grace))):
		r.t.Errorf("%s would have been killed after its grace period of %v", r.name, grace)
	}
}
