module github.com/crashsim/crashsim/scenarios/subjects

go 1.26.8

require (
	github.com/google/renameio/v2 v2.0.2
	github.com/natefinch/atomic v1.0.1
	go.etcd.io/bbolt v1.5.0
)

require (
	github.com/stretchr/testify v1.12.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/crashsim/crashsim => ../..
