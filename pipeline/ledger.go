package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"rkd/datasets"
	"rkd/datasets/regular"
	"rkd/pipeline/cache"
	"rkd/student/train/record"
)

// LedgerFile is the name, in a run directory, of the account of the training data.
const LedgerFile = "ledger.json"

// Account says what became of all training data: Data.Found = Cached + all of Skipped + what Data has left out, ignored
// and dropped.
type Account struct {
	Data    datasets.Ledger `json:"data"`
	Cached  int             `json:"cached"` // samples of which every view is in the cache
	Rows    int             `json:"rows"`   // of the cache
	Skipped []Undecodable   `json:"skipped"`
}

// account balances the samples of the data against the rows of their cache, and writes the ledger into the run
// directory. Totals that do not add up are cache.ErrRows.
func (r *Runner) account(ctx context.Context, data datasets.Dataset, filled *cache.Cache, views int) (*Account, error) {
	m := filled.Manifest()
	a := &Account{Data: data.Ledger(), Rows: m.Rows, Cached: data.Len() - m.Skipped.Count, Skipped: []Undecodable{}}
	least, most := a.Cached*views, data.Len()*views-m.Skipped.Count
	if err := a.Data.Balance(); err != nil {
		return nil, err
	}
	if m.Rows < least || m.Rows > most {
		return nil,
			fmt.Errorf("%w: %d samples in %d views, of which %d are skipped, but the cache has %d rows, expected %d to %d",
				cache.ErrRows, data.Len(), views, m.Skipped.Count, m.Rows, least, most)
	}
	for _, id := range m.Skipped.IDs {
		at, ok := data.Find(id)
		if !ok {
			return nil, fmt.Errorf("%w: the cache has skipped sample %d, which the data do not have", cache.ErrRows, id)
		}
		reason := "it did not decode when the cache was made"
		if _, err := data.Sample(at).Size(ctx); err != nil {
			reason = err.Error()
		}
		a.Skipped = append(a.Skipped, Undecodable{Path: data.Path(at), Reason: reason})
	}
	r.Progress.Say("cache: of %d files and samples %d are cached, %d skipped; %s", a.Data.Found, a.Cached,
		len(a.Skipped),
		a.Data)
	return a, r.writeAccount(a)
}

// accountOnce writes the ledger of a cache that tasks of a plan have filled, which no process has seen whole before.
// Vectors that were imported may lack samples, and have none.
func (r *Runner) accountOnce(ctx context.Context, data datasets.Dataset, s *source) error {
	if _, err := os.Stat(filepath.Join(workDir(&r.Experiment.Base), LedgerFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for i, t := range s.teachers {
		if t.Config.Teacher.Declared != "" {
			continue
		}
		if _, err := r.account(ctx, data, s.caches[i], t.Config.Cache.Views); err != nil {
			return t.Named(err)
		}
	}
	return nil
}

// writeAccount keeps the account; one that is there already is left alone, as is a folder that cannot be written.
func (r *Runner) writeAccount(a *Account) error {
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	data = append(data, '\n')
	path := filepath.Join(workDir(&r.Experiment.Base), LedgerFile)
	if there, err := regular.ReadFile(path); err == nil && bytes.Equal(there, data) {
		return nil
	}
	err = record.WriteFile(path, data)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return err
}
