package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
)

func clusterCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "cluster",
		Usage:     "show the state of several nodes, and change their limits",
		ArgsUsage: "status|apply",
		Description: "These commands take the options of the server, from flags, environment and file. With engine\n" +
			"nats://... they run anywhere; with cluster_peers on a machine with a running node, as its user.\n\n" +
			"Examples:\n" +
			"  boreas cluster status --engine=nats://10.0.0.1,10.0.0.2,10.0.0.3\n" +
			"  boreas cluster status --wait=2m        before you restart the next node\n" +
			"  boreas cluster apply                   after you have changed history_messages",
		Commands: []*cli.Command{clusterStatusCommand(p), clusterApplyCommand(p)},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return unknownCommand(cmd, cmd.Args().First())
			}
			return usagef("say what to do: boreas cluster status or apply")
		},
	}
}

// clusterTimeout bounds one look at a cluster, or one change. NATS elects a leader in 4 to 9 seconds.
const clusterTimeout = 15 * time.Second

// clusterConfig returns the configuration of a cluster, and the options of its engine.
func (p *program) clusterConfig(ctx context.Context, cmd *cli.Command) (config.Config, cluster.Options, error) {
	c, err := p.loadConfig(cmd)
	if err != nil {
		return c, cluster.Options{}, err
	}
	if !c.Clustered() {
		return c, cluster.Options{}, usagef("these options are of a server that is alone: give those of a node of the cluster, with engine=nats://HOSTS or cluster_peers")
	}
	o, err := server.ClusterOptions(ctx, c, slog.New(slog.DiscardHandler))
	return c, o, err
}

func clusterApplyCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "apply",
		Usage: "change the limits of a cluster to those of this configuration",
		Description: "All nodes share one history. Its limits are those of the node that started first: the largest\n" +
			"history_messages and history_age of all channel rules, cluster_history, idempotency_window and\n" +
			"nats_replicas. This command changes them to those of the given options, and prints the limits\n" +
			"before and after. The nodes use them at once. Give all nodes the same options, and restart them\n" +
			"one by one. If the history becomes shorter, messages are dropped, so --yes is required.",
		Flags: append(optionFlags(), &cli.BoolFlag{Name: "yes", Usage: "accept that messages are dropped"}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			ctx, stop := interruptible(ctx)
			defer stop()
			_, o, err := p.clusterConfig(ctx, cmd)
			if err != nil {
				return err
			}
			if err := p.applyLimits(ctx, o, cmd.Bool("yes")); err != nil {
				return err
			}
			return p.applyReplicas(ctx, o)
		},
	}
}

// applyReplicas gives the stream of tokens as many replicas as the stream of messages.
func (p *program) applyReplicas(ctx context.Context, o cluster.Options) error {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	changed, err := clusterstore.SetReplicas(ctx, o.Servers, o.Replicas)
	if changed {
		p.note("%d servers keep the tokens, keys and revocations from now on", o.Replicas)
	}
	return err
}

func (p *program) applyLimits(ctx context.Context, o cluster.Options, accepted bool) error {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	d, err := cluster.Describe(ctx, o)
	if err != nil {
		return err
	}
	if d.Agrees() {
		_, err = fmt.Fprintf(p.stdout, "limits  %s\n", limitsText(d.InForce))
		p.note("the cluster has these limits already, and nothing was changed")
		return err
	}
	if _, err = fmt.Fprintf(p.stdout, "before  %s\nafter   %s\n", limitsText(d.InForce), limitsText(d.Wanted)); err != nil {
		return err
	}
	if d.InForce.Drops(d.Wanted) && !accepted {
		return usagef("the history becomes shorter, so messages may be dropped now: give --yes to do it; nothing was changed")
	}
	return cluster.Apply(ctx, o)
}

// limitsText returns limits with the names of the options.
func limitsText(l cluster.Limits) string {
	return fmt.Sprintf("history_messages=%d history_age=%s cluster_history=%s idempotency_window=%s nats_replicas=%d",
		l.Messages, config.FormatDuration(l.Age), sizeText(l.History), config.FormatDuration(l.KeyWindow), l.Replicas)
}

// sizeText returns a number of bytes in the largest unit that has a whole number of them.
func sizeText(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n%1024 != 0 || n == 0 || unit == "GiB" {
			return fmt.Sprintf("%d%s", n, unit)
		}
		n /= 1024
	}
	return ""
}
