/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building blocks shared by both hosts, in addition to machine.h.
 */
#ifndef LWKT_MACHINE_HOSTLIB_H
#define LWKT_MACHINE_HOSTLIB_H

/* fail.c: once a boot.  EINVAL: LWKT_FAIL is malformed. */
int	lwkt__fail_boot(void);
/* Called if LWKT_FAIL does not refuse; NULL: no such function. */
extern int (*lwkt__fail_chance)(const char *point);

/*
 * cxx.c: _boot once per boot.  _globals returns the C++ exception state of the
 * calling host thread, or NULL if the program has no C++ runtime.  The first
 * call on a host thread may allocate.
 */
struct machine_cxx;
void	lwkt__cxx_boot(void);
struct machine_cxx *lwkt__cxx_globals(void);

/* symbol.c: once a boot, before the first backtrace is printed. */
void	lwkt__symbol_boot(void);

#endif
