/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a host may use to make itself of, beside machine.h: parts that are the
 * same on every host.
 */
#ifndef LWKT_MACHINE_HOSTLIB_H
#define LWKT_MACHINE_HOSTLIB_H

/* fail.c: once a boot.  EINVAL: LWKT_FAIL is malformed. */
int	lwkt__fail_boot(void);
/* Asked after LWKT_FAIL; NULL: nobody. */
extern int (*lwkt__fail_chance)(const char *point);

/*
 * cxx.c: once a boot; then, on a host thread, its C++ exception state, or NULL:
 * the program has no C++ runtime.  Allocates at first.
 */
struct machine_cxx;
void	lwkt__cxx_boot(void);
struct machine_cxx *lwkt__cxx_globals(void);

/* symbol.c: once a boot, before the first backtrace is printed. */
void	lwkt__symbol_boot(void);

#endif
