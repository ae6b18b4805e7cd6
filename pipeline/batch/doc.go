// Package batch renders an experiment as jobs of a cluster's scheduler, and hands them to it. What is to be done is
// counted elsewhere: a task is an index of the cache's plan or of the experiment's trainings, and rkd itself does it.
// The scheduler gives place, order and another try; no state is kept here.
package batch
