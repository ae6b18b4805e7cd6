// Package cloud links the clients of S3, Google Cloud Storage and Azure Blob Storage into the program that imports it,
// for package storage to use. They are half of its size, so nothing else imports this package.
package cloud
