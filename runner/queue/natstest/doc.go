// Package natstest tests package natsqueue, and the command with it, against servers of NATS:
// one in this process, and one that is a process, which is killed. It is a module of its
// own, so that nobody else needs the server.
package natstest
