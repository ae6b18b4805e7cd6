package cloud

import (
	"context"
	"errors"
	"io"
	"log"
	"net/url"
	"strings"

	gcs "cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"

	"rkd/pipeline/storage"
)

func init() {
	for _, scheme := range []string{s3blob.Scheme, gcsblob.Scheme, azureblob.Scheme} {
		storage.Register(scheme, open)
	}
}

func open(location string) (storage.Client, error) {
	log.SetOutput(io.Discard) // on which clients say again what their errors say
	if strings.HasPrefix(location, s3blob.Scheme+"://") {
		location = withDefault(location, "response_checksum_validation", "when_required")
	}
	// The client lives as long as the program.
	b, err := blob.OpenBucket(context.Background(), location)
	if err != nil {
		return nil, err
	}
	return bucket{b}, nil
}

// withDefault gives a URL a parameter that it does not have. Without this one the client of S3 says of each answer of a
// server without checksums that it has none; what is read is compared with its SHA-256 anyway.
func withDefault(location, parameter, value string) string {
	u, err := url.Parse(location)
	if err != nil {
		return location // opening it says so
	}
	q := u.Query()
	if !q.Has(parameter) {
		q.Set(parameter, value)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// bucket is a storage.Client of gocloud.dev.
type bucket struct{ b *blob.Bucket }

// pageSize is the number of objects a request lists: what S3 gives at most.
const pageSize = 1000

func (b bucket) List(ctx context.Context, prefix string, deep bool, token []byte) ([]storage.Object, []byte, error) {
	options := &blob.ListOptions{Prefix: prefix}
	if !deep {
		options.Delimiter = "/"
	}
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	found, next, err := b.b.ListPage(ctx, token, pageSize, options)
	if err != nil {
		return nil, nil, fault(err)
	}
	page := make([]storage.Object, 0, len(found))
	for _, o := range found {
		if !o.IsDir {
			page = append(page, storage.Object{Key: o.Key, Size: o.Size, ModTime: o.ModTime, MD5: o.MD5})
		}
	}
	return page, next, nil
}

func (b bucket) Stat(ctx context.Context, key string) (storage.Object, error) {
	a, err := b.b.Attributes(ctx, key)
	if err != nil {
		return storage.Object{}, fault(err)
	}
	return storage.Object{
		Key: key, Size: a.Size, ModTime: a.ModTime, MD5: a.MD5, ETag: a.ETag, Metadata: a.Metadata,
	}, nil
}

func (b bucket) Read(ctx context.Context, key string, offset int64, p []byte) (storage.Object, error) {
	r, err := b.b.NewRangeReader(ctx, key, offset, int64(len(p)), nil)
	if err != nil {
		return storage.Object{}, fault(err)
	}
	o := storage.Object{Key: key, Size: r.Size(), ModTime: r.ModTime()}
	if _, err := io.ReadFull(r, p); err != nil {
		return o, fault(errors.Join(err, r.Close()))
	}
	if err := r.Close(); err != nil {
		return o, fault(err)
	}
	return o, nil
}

func (b bucket) Write(ctx context.Context, key string, content *io.SectionReader, o storage.WriteOptions) error {
	err := b.b.Upload(ctx, key, content, &blob.WriterOptions{
		ContentType: "application/octet-stream", IfNotExist: o.IfAbsent, Metadata: o.Metadata, BufferSize: o.PartBytes,
		MaxConcurrency: o.Parallel,
	})
	if err != nil {
		return fault(err)
	}
	return nil
}

func (b bucket) Remove(ctx context.Context, key string) error {
	if err := b.b.Delete(ctx, key); err != nil {
		return fault(err)
	}
	return nil
}

// fault finds out of an error of a client what the service has answered.
func fault(err error) *storage.Fault {
	f := &storage.Fault{Err: err}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		f.Reason = storage.Missing
	case gcerrors.FailedPrecondition:
		f.Reason = storage.Taken
	case gcerrors.PermissionDenied, gcerrors.InvalidArgument, gcerrors.Unimplemented:
		f.Reason = storage.Refused
	}
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		f.Status = e.HTTPStatusCode()
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			f.Code, f.Message = e.ErrorCode(), e.ErrorMessage()
		}
	}
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		f.Status, f.Message = e.Code, e.Message
		if len(e.Errors) > 0 {
			f.Code = e.Errors[0].Reason
		}
	}
	if errors.Is(err, gcs.ErrBucketNotExist) {
		f.Status, f.Code = 404, "NoSuchBucket"
	}
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		f.Status, f.Code = e.StatusCode, e.ErrorCode
	}
	return f
}
