package logs

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

func (r *reading) addFollow(c *cobra.Command) {
	c.Flags().BoolVarP(&r.follow, "follow", "f", false, "keep reading as the logs grow; with --since, start there")
}

// followAll calls visit with the events of all logs as they are written, until ctx is done.
func (r *reading) followAll(ctx context.Context, visit func(*head) error) error {
	all, err := r.sources(ctx)
	if err != nil {
		return err
	}
	label(all)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	events := make(chan *head)
	ended := make(chan error, len(all))
	for _, s := range all {
		if r.since == "" && len(s.files) > 1 { // nothing is written to the older ones
			s.files = s.files[len(s.files)-1:]
		}
		go func() {
			defer s.close()
			for {
				e, err := s.next(ctx)
				if err != nil {
					ended <- err
					return
				}
				select {
				case events <- &head{source: s, event: e.Copy(), at: e.Time}:
				case <-ctx.Done():
					ended <- ctx.Err()
					return
				}
			}
		}()
	}
	for left := len(all); left > 0; {
		select {
		case h := <-events:
			if err := visit(h); err != nil {
				cancel(err)
				return err
			}
		case err := <-ended:
			if left--; !errors.Is(err, io.EOF) {
				return err
			}
		}
	}
	return nil
}
