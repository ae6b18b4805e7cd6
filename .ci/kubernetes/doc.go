// Package kubernetes holds rendered manifests against Kubernetes' own types, and pins the version of Kubernetes whose
// programs the script "cluster" builds. It is a module of its own, so that rkd depends on none of it.
package kubernetes
