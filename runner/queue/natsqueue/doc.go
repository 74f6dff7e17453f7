// Package natsqueue is a queue on a NATS server with JetStream.
//
// A program that imports it, if only for that, knows addresses that begin with "nats://" and
// "tls://":
//
//	import _ "github.com/crashsim/crashsim/runner/queue/natsqueue"
//
// The words of this package:
//
//   - Parcels are messages of a stream with the retention of a work queue, on a subject for
//     each job. A worker that takes one says every few seconds that it is alive; if it does not,
//     the server delivers the parcel again.
//   - Results are messages of a stream that keeps them. A worker waits until the server says
//     that they are stored, and only then acknowledges the parcel.
//   - Jobs are messages of a stream that keeps the last one on each subject.
//   - Files are in an object store, and so is each text that is too large for a message.
//
// The streams and the store are made when they are not there, with one replica and files;
// an administrator may make them before, with more. How durable a result is, is up to
// the server: by default it syncs its files every two minutes, so that a power cut
// of its machine loses what came after. With "sync_interval: always" it loses nothing.
// Either way no verdict is wrong: a result that is lost is judged again.
//
// Credentials are in the address, or in the file that the environment variable NATS_CREDS
// names; NATS_CA names the certificates that a server's is checked against. It does not
// encrypt what it sends over "nats://" unless the server asks for that.
package natsqueue
