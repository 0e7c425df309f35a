package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to show what it should. The machine may be busy.
const patience = time.Minute

// limit is how long one action or expression may take. The driver itself waits without end, for example for an element to click on.
const limit = 3 * patience

// tab is one tab of a headless browser. Whatever goes wrong in it fails the test: a warning or an error on the console, an
// exception, a violation of the content policy, a request to another host.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu sync.Mutex
	// frames holds what has come over the WebSocket.
	frames [][]byte
	wrong  []string
	// offline tolerates the failed connections of a server that is down.
	offline bool
	// expected are parts of complaints that the test provokes.
	expected []string
}

// options are how a tab looks at the page.
type options struct {
	width, height int64
	language      string
	// fontSize is the size of text that the reader has set in the browser, in pixels; 0 for the browser's own.
	fontSize int
	// hash is the part of the address from # on.
	hash string
	// addr and path are where a proxy shows the page; empty for the plant's own.
	addr, path string
	// expected are parts of what the browser complains of because the test provokes it.
	expected []string
}

// browser is the Chromium that all tests share: each tab has cookies, storage and a process of its own in it.
var browser = sync.OnceValues(func() (*chromium, error) { return startChromium() })

// chromium is a running browser: Chromium's headless shell, which has the engine alone and takes half the processor time, or else what chromedp finds.
type chromium struct {
	ctx  context.Context
	stop func()
}

func startChromium(flags ...chromedp.ExecAllocatorOption) (*chromium, error) {
	flags = append(append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true)), flags...)
	if shell, err := exec.LookPath("chromium-headless-shell"); err == nil { // Debian's name, which chromedp does not look for.
		flags = append(flags, chromedp.ExecPath(shell))
	}
	allocator, release := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, end := chromedp.NewContext(allocator)
	c := &chromium{ctx: ctx, stop: func() { end(); release() }}
	if err := chromedp.Do(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// chromium returns the browser for these options.
func (p *plant) chromium(o options) *chromium {
	p.t.Helper()
	start := browser
	if o.fontSize > 0 { // What the reader sets holds for all tabs.
		start = func() (*chromium, error) {
			return startChromium(chromedp.Flag("blink-settings", fmt.Sprintf("defaultFontSize=%d", o.fontSize)))
		}
	}
	c, err := start()
	if err != nil {
		p.t.Fatal(err)
	}
	if o.fontSize > 0 {
		p.t.Cleanup(c.stop)
	}
	return c
}

// open shows the plant's dashboard in a tab of its own.
func (p *plant) open(o options) *tab {
	p.t.Helper()
	if o.width == 0 {
		o.width, o.height = 1440, 900
	}
	if o.language == "" {
		o.language = "en"
	}
	if o.addr == "" {
		o.addr, o.path = p.addr, "/"
	}
	ctx, _ := chromedp.NewContext(p.chromium(o).ctx, chromedp.WithNewBrowserContext())
	tab := &tab{t: p.t, ctx: ctx, expected: o.expected}
	if err := chromedp.Do(ctx); err != nil { // The tab lives as long as the context of the first call.
		p.t.Fatal(err)
	}
	var listening sync.WaitGroup
	p.t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			p.t.Errorf("close the tab: %v", err)
		}
		listening.Wait()
		tab.report()
	})
	tab.listen(&listening, o.addr)
	// Each tab has the focus, as if it were the only one.
	call(tab, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	// Chosen once: what the test itself chooses later must survive a reload.
	language := fmt.Sprintf(`localStorage.getItem("iotmon.language") || localStorage.setItem("iotmon.language", %q)`, o.language)
	script := page.AddScriptToEvaluateOnNewDocumentParams{Source: language}
	call(tab, page.AddScriptToEvaluateOnNewDocument, script)
	tab.do(chromedp.EmulateViewport(o.width, o.height), chromedp.Navigate("http://"+o.addr+o.path+o.hash))
	// Each page is loaded by the shell, which other documents do not have.
	tab.until(`document.querySelector("#outlet")?.innerText !== ""`)
	return tab
}

// listen records the events of the tab until its context ends.
func (tab *tab) listen(running *sync.WaitGroup, addr string) {
	call(tab, network.Enable, network.EnableParams{})
	each(tab, running, chromedp.Events(tab.ctx, network.WebSocketFrameReceived), func(e network.EventWebSocketFrameReceived) {
		tab.frames = append(tab.frames, e.Response.PayloadData)
	})
	each(tab, running, chromedp.Events(tab.ctx, network.RequestWillBeSent), func(e network.EventRequestWillBeSent) {
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != addr {
			tab.complain("request to " + e.Request.URL)
		}
	})
	each(tab, running, chromedp.Events(tab.ctx, network.ResponseReceived), func(e network.EventResponseReceived) {
		if e.Response.Status >= 400 {
			tab.complain(fmt.Sprintf("%d for %s", e.Response.Status, e.Response.URL))
		}
	})
	each(tab, running, chromedp.Console(tab.ctx), func(m chromedp.ConsoleMessage) {
		expected := tab.offline && unanswered.MatchString(m.Text)
		switch m.Type {
		case chromedp.ConsoleWarning, chromedp.ConsoleError, chromedp.ConsoleException:
			if !expected {
				tab.complain(m.String())
			}
		}
	})
}

// unanswered matches what the browser says about a request to a server that is down, or that ended before it had answered.
var unanswered = regexp.MustCompile(`net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)|Connection closed before receiving a handshake response`)

// each calls handle with every event, holding the tab's lock, until there are no more.
func each[E any](tab *tab, running *sync.WaitGroup, events iter.Seq2[E, error], handle func(E)) {
	running.Go(func() {
		for event, err := range events {
			if err != nil {
				return
			}
			tab.mu.Lock()
			handle(event)
			tab.mu.Unlock()
		}
	})
}

// complain records an error of the tab, unless the test expects it. The caller holds the tab's lock.
func (tab *tab) complain(what string) {
	for _, part := range tab.expected {
		if strings.Contains(what, part) {
			return
		}
	}
	tab.wrong = append(tab.wrong, what)
}

func (tab *tab) report() {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, w := range tab.wrong {
		tab.t.Errorf("in the browser: %s", w)
	}
}

// limited returns a context of the tab that ends after limit.
func (tab *tab) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(tab.ctx, limit, fmt.Errorf("not done within %v", limit))
}

func (tab *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := tab.limited()
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.t.Fatal(err)
	}
}

// eval returns the value of an expression, which may be a promise.
func eval[T any](tab *tab, expression string) T {
	tab.t.Helper()
	ctx, cancel := tab.limited()
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// until waits for an expression, or what it promises, to be true as JavaScript sees it. While something that it reads is not there yet, such as an
// element, it is not true.
func (tab *tab) until(expression string) {
	tab.t.Helper()
	wrapped := fmt.Sprintf(`(async () => {
		try {
			return { reached: Boolean(await (%s)) };
		} catch (error) {
			if (error instanceof TypeError) return { missing: String(error) };
			throw error;
		}
	})()`, expression)
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		state := eval[struct {
			Reached bool   `json:"reached"`
			Missing string `json:"missing"`
		}](tab, wrapped)
		if state.Reached {
			return
		}
		if time.Now().After(deadline) {
			shown := eval[string](tab, `[
				location.href,
				document.hasFocus() ? "focused" : "not focused",
				document.visibilityState,
				document.activeElement?.outerHTML.slice(0, 200),
				JSON.stringify([...document.querySelectorAll("input, select, textarea")].map((field) => field.value)),
				document.body.innerText,
			].join("\n")`)
			tab.t.Fatalf("still not true: %s\n%s\nthe page shows:\n%.3000s", expression, state.Missing, shown)
		}
	}
}

// frame waits until what has been changed is painted.
func (tab *tab) frame() {
	tab.t.Helper()
	eval[chromedp.Void](tab, `new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))`)
}

// click presses the mouse where an element is, as a person would: once it stays where it is, because what comes above it moves it away from the mouse.
func (tab *tab) click(selector string) {
	tab.t.Helper()
	tab.until(fmt.Sprintf(`(async () => {
		const element = document.querySelector(%q);
		const frame = () => new Promise((painted) => requestAnimationFrame(painted));
		const place = () => (({ x, y, width, height }) => [x, y, width, height].join())(element.getBoundingClientRect());
		const before = place();
		await frame();
		await frame();
		return element.isConnected && place() === before;
	})()`, selector))
	tab.do(chromedp.Click(chromedp.CSS(selector)))
}

// clickFound clicks what an expression finds, as soon as it is there.
func (tab *tab) clickFound(expression string) {
	tab.t.Helper()
	tab.until(fmt.Sprintf(`((found) => found && (found.click(), true))(%s)`, expression))
}

// received returns the messages of a type that have come over the WebSocket.
func received[T any](tab *tab, kind string) []T {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var messages []T
	for _, frame := range tab.frames {
		var envelope struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(frame, &envelope) != nil || envelope.Type != kind {
			continue
		}
		var message T
		if err := json.Unmarshal(frame, &message); err != nil {
			tab.t.Errorf("message of type %s: %v", kind, err)
			continue
		}
		messages = append(messages, message)
	}
	return messages
}

// row is one line of the stream of readings.
type row struct {
	Device, Type, Value, Place, Status string
}

func (tab *tab) rows() []row {
	tab.t.Helper()
	return eval[[]row](tab, `[...document.querySelectorAll("#stream tbody tr:not(.spacer)")].map((tr) => ({
		Device: tr.querySelector(".col-device").textContent.trim(), Type: tr.querySelector(".col-type").textContent,
		Value: tr.querySelector(".col-value").textContent, Place: tr.querySelector(".col-place").textContent,
		Status: tr.dataset.status}))`)
}
