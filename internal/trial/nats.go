package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

// natsTask is the environment variable with the natsServer of a NATS server in a process of its own.
const natsTask = "TRIAL_NATS"

const (
	// servers is the number of NATS servers. Each keeps every message.
	servers = 3

	natsStore  = 4 << 30
	natsMemory = 64 << 20
)

// A natsServer is how a NATS server is started.
type natsServer struct {
	Name      string
	Client    int // port for clients
	Cluster   int // port for the other servers
	Advertise string
	Routes    []string
	Dir       string
}

// serveNATS runs a NATS server until ctx ends.
func serveNATS(ctx context.Context, task string, ready func(string)) error {
	var n natsServer
	if err := json.Unmarshal([]byte(task), &n); err != nil {
		return err
	}
	o := &server.Options{
		ServerName: n.Name, Host: "127.0.0.1", Port: n.Client, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: n.Dir, JetStreamMaxStore: natsStore, JetStreamMaxMemory: natsMemory,
		// Clients are not told of the other servers, and the servers reach each other only through the
		// proxies.
		Cluster: server.ClusterOpts{
			Name: "trial", Host: "127.0.0.1", Port: n.Cluster, Advertise: n.Advertise, NoAdvertise: true, PoolSize: -1,
			PingInterval: 2 * time.Second, MaxPingsOut: 2, // as docs/cluster.md advises
		},
	}
	for _, address := range n.Routes {
		o.Routes = append(o.Routes, server.RoutesFromStr("nats://"+address)...)
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	if o.NoLog = logFile(n.Name) == ""; o.NoLog {
		s.SetLoggerV2(complaints{}, false, false, false)
	} else {
		o.LogFile = logFile(n.Name)
		s.ConfigureLogger()
	}
	s.Start()
	if !s.ReadyForConnections(processLimit) {
		return errors.New("the NATS server does not get ready")
	}
	ready("ready")
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// complaints is a logger of a NATS server that writes what is wrong to standard error.
type complaints struct{}

func (complaints) Errorf(format string, v ...any) { fmt.Fprintf(os.Stderr, "NATS: "+format+"\n", v...) }

func (complaints) Fatalf(format string, v ...any) {
	fmt.Fprintf(os.Stderr, "NATS: "+format+"\n", v...)
	syscall.Exit(1) // not os.Exit; see finish
}
func (complaints) Noticef(string, ...any) {}
func (complaints) Warnf(string, ...any)   {}
func (complaints) Debugf(string, ...any)  {}
func (complaints) Tracef(string, ...any)  {}

// fleet are the NATS servers of a trial, with a proxy for each direction between two of them. Its
// methods are safe for concurrent use, except that only one fault of a server may happen at a time.
type fleet struct {
	all    [servers]natsServer
	routes [servers][servers]*faultproxy.Proxy // from one server to another
	gossip [servers]*faultproxy.Proxy          // to a server, from those that heard of it
	ports  []testport.Held                     // a server that is started again has the same ones

	mu      sync.Mutex
	running [servers]*process // guarded by mu
}

// startFleet starts the NATS servers. They keep their messages in dir.
func startFleet(ctx context.Context, dir string) (*fleet, error) {
	f := new(fleet)
	var err error
	if f.ports, err = testport.Hold(2 * servers); err != nil {
		return nil, err
	}
	for i := range f.all {
		name := fmt.Sprintf("nats-%d", i)
		f.all[i] = natsServer{Name: name, Client: f.ports[2*i].Port, Cluster: f.ports[2*i+1].Port, Dir: filepath.Join(dir, name)}
	}
	for i := range f.all {
		for j := range f.all {
			p, err := faultproxy.New(loopback(f.all[j].Cluster))
			if err != nil {
				f.end()
				return nil, err
			}
			if i == j {
				f.gossip[j], f.all[j].Advertise = p, p.Addr()
				continue
			}
			f.routes[i][j] = p
			f.all[i].Routes = append(f.all[i].Routes, p.Addr())
		}
	}
	for i := range f.all {
		if err := f.start(ctx, i); err != nil {
			f.end()
			return nil, err
		}
	}
	return f, nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (f *fleet) start(ctx context.Context, i int) error {
	task, err := json.Marshal(f.all[i])
	if err != nil {
		return err
	}
	p, _, err := startProcess(ctx, "NATS server "+f.all[i].Name, natsTask, string(task))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[i] = p
	return nil
}

// forget records that a server is not running.
func (f *fleet) forget(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[i] = nil
}

func (f *fleet) process(i int) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running[i]
}

// addresses returns the addresses of all servers for clients.
func (f *fleet) addresses() (all []string) {
	for _, s := range f.all {
		all = append(all, loopback(s.Client))
	}
	return all
}

// proxies returns the proxies between a server and the others.
func (f *fleet) proxies(i int) (all []*faultproxy.Proxy) {
	for j := range f.all {
		if j != i {
			all = append(all, f.routes[i][j], f.routes[j][i], f.gossip[j])
		}
	}
	return append(all, f.gossip[i])
}

// cut separates a server from the others, until heal. The connections are reset, or silent.
func (f *fleet) cut(i int, silent bool) {
	failure := faultproxy.Failure{Kind: faultproxy.Reset}
	if silent {
		failure.Kind = faultproxy.Stall
	}
	for _, p := range f.proxies(i) {
		p.Refuse(true)
		p.Do(failure)
	}
}

// heal connects a server with the others again.
func (f *fleet) heal(i int) {
	for _, p := range f.proxies(i) {
		p.Refuse(false)
		for _, l := range p.Links() {
			l.Heal()
		}
	}
}

// end stops all servers.
func (f *fleet) end() error {
	var errs []error
	var stopping sync.WaitGroup
	results := make([]error, servers)
	for i := range f.all {
		if p := f.process(i); p != nil {
			stopping.Go(func() { results[i] = p.finish() })
		}
	}
	stopping.Wait()
	for i := range f.all {
		errs = append(errs, results[i])
		for _, p := range append(f.routes[i][:], f.gossip[i]) {
			if p != nil {
				p.Close()
			}
		}
	}
	for _, port := range f.ports {
		port.Release()
	}
	return errors.Join(errs...)
}
