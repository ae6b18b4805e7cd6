package train

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"rkd/datasets/regular"
	"rkd/student/train/record"
	"rkd/student/train/tensorboard"
)

// WriteEvents makes the TensorBoard event file in dir that of the checkpoint there. One that holds fewer epochs is
// added to, which a TensorBoard that is looking sees; any other is replaced. selection is that of Metrics.Scalars.
func (c *Checkpoint) WriteEvents(dir, selection string) error {
	data, err := tensorboard.Marshal(c.Points(selection))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, tensorboard.FileName)
	there, err := regular.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(there, data):
		return nil
	case err == nil && len(there) > 0 && bytes.HasPrefix(data, there):
		return appendTo(path, data[len(there):])
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return record.WriteFile(path, data)
	}
	return fmt.Errorf("reading the event file: %w", err)
}

// appendTo adds data to a file. What a process that dies meanwhile leaves is replaced by the next one.
func appendTo(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("adding to the event file: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("adding to the event file %q: %w", path, err)
	}
	return nil
}
