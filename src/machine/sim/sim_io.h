/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors of the simulated host, for tests.
 *
 * The lowest free number is given out first, as on a real host.  So a number is
 * reused soon after it was closed.  A socket holds SIM_IO_BUF bytes in each
 * direction.  An address is a struct sockaddr_in of which only the port counts.
 * Files are made by lwkt_open and stay in memory until the end of the run.
 *
 * Context: thread.  Returns: 0 or a descriptor, or a negative errno.  A pair
 * that gets no descriptors panics, and so does a run with too many files.
 */
#ifndef LWKT_MACHINE_SIM_IO_H
#define LWKT_MACHINE_SIM_IO_H

#include <stdint.h>
#include <sys/types.h>

#define SIM_IO_FDS	128
#define SIM_IO_BUF	64
#define SIM_IO_FILE	256		/* bytes a file can hold */

int	sim_socketpair(int fd[2]);
int	sim_dgrampair(int fd[2]);	/* messages below SIM_IO_BUF bytes */
int	sim_pipe(int fd[2]);		/* [0] reads, [1] writes */
int	sim_socket(void);
int	sim_listen(int port);
/* Start a child that ends with status after delay_ns, and return its pid. */
pid_t	sim_child(int status, int64_t delay_ns);
/* Return how many descriptors are open. */
int	sim_open_fds(void);

#endif
