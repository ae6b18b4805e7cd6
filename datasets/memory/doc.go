// Package memory asks for memory in a way that can be refused. Go ends a process with a trace when the system gives it
// no more; what is asked for here is compared with what is free before, and refused with an error, or where a function
// has none to return with a panic that [rkd/datasets/fault] turns into one.
package memory
