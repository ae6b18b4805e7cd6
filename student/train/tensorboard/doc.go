// Package tensorboard writes scalars as TensorBoard reads them: a file of TFRecords, each a protobuf message Event. It
// knows no training.
package tensorboard

//go:generate protoc -I ../../.. --go_out=../../.. --go_opt=paths=source_relative student/train/tensorboard/event.proto
