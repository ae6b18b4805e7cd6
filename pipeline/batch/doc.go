// Package batch renders an experiment as jobs of a cluster's scheduler and submits them. A task is an index of the
// cache's plan or of the experiment's trainings, and runs as a command of rkd. The scheduler places, orders and retries
// tasks; this package keeps no state.
package batch
