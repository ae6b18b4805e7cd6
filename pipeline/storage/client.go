package storage

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Client is an open bucket: what package cloud provides, and tests do. Its errors are of type *Fault.
type Client interface {
	// List returns a page of the objects whose keys begin with prefix, by key, and the token of the next page, empty after
	// the last one. Without deep, keys with a slash after the prefix are left out.
	List(ctx context.Context, prefix string, deep bool, token []byte) (page []Object, next []byte, err error)
	Stat(ctx context.Context, key string) (Object, error)
	// Read fills p with the bytes of an object from an offset on, and returns which version of the object they are of.
	Read(ctx context.Context, key string, offset int64, p []byte) (Object, error)
	Write(ctx context.Context, key string, content *io.SectionReader, o WriteOptions) error
	Remove(ctx context.Context, key string) error
}

// Object is an object of a bucket, as far as a request says what it is.
type Object struct {
	Key      string
	Size     int64
	ModTime  time.Time
	MD5      []byte // nil where the service does not tell
	ETag     string
	Metadata map[string]string
}

// WriteOptions say how an object is written.
type WriteOptions struct {
	IfAbsent  bool // the object must not be there
	Metadata  map[string]string
	PartBytes int // of an upload in parts
	Parallel  int // parts at a time
}

// openers open the buckets of URLs, which have no path, by their schemes.
var openers = map[string]func(url string) (Client, error){}

// Register says how the buckets of a scheme are opened. Packages call it when the program starts.
func Register(scheme string, open func(url string) (Client, error)) { openers[scheme] = open }

// client is an open bucket, which all stores of this process share.
type client struct {
	Client
	mu      sync.Mutex
	creates bool // creation if absent has been tried, and works
}

var clients = struct {
	sync.Mutex
	open map[string]*client
}{open: map[string]*client{}}

// connect opens a bucket, once.
func connect(url string) (*client, error) {
	clients.Lock()
	defer clients.Unlock()
	if c := clients.open[url]; c != nil {
		return c, nil
	}
	scheme, _, _ := strings.Cut(url, "://")
	open := openers[scheme]
	if open == nil {
		return nil, fmt.Errorf("%w %q: expected a path or a URL of file://, s3://, gs:// or azblob://", ErrLocation, url)
	}
	opened, err := open(url)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %s", ErrLocation, url, oneLine(err))
	}
	c := &client{Client: opened}
	clients.open[url] = c
	return c, nil
}
