//go:build !linux

package faultfs_test

var dsync = 0 // there is no O_DSYNC in package os
