/* Between a process and the C library: writes down, or lets fail, every operation that changes files below FAULTS_ROOT.

   Loaded with LD_PRELOAD, so that Python, numpy and SQLite are covered alike and no production code knows of it. faults_arm(at, error)
   lets the at-th operation from now on and all after it fail with that errno, as on a full disk; a write that is the first to fail is
   short instead, as it would be there. faults_arm(at, -error) counts syncs alone and fails that one alone. faults_disarm()
   returns how many were counted. Records go to FAULTS_LOG: operation, path, offset, data (see replay.py). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long countdown = -1, counted = 0;
static int failing = 0, armed = 0, logging = 0, log_file = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int ours(const char *path) {
  const char *root = getenv("FAULTS_ROOT");
  return root && path && strncmp(path, root, strlen(root)) == 0;
}
static int path_of(int fd, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, out, 4095);
  if (n <= 0) return 0;
  out[n] = 0;
  return ours(out);
}
static int volatile_file(const char *path) {
  size_t n = strlen(path);
  return n > 4 && strcmp(path + n - 4, "-shm") == 0;
}
static void record(char op, const char *path, uint64_t offset, const void *data, uint64_t size) {
  if (!logging || volatile_file(path)) return;
  if (log_file < 0) log_file = REAL(open)(getenv("FAULTS_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  uint64_t head[4] = {(uint64_t)op, strlen(path), offset, size};
  if (REAL(write)(log_file, head, sizeof head) < 0 || REAL(write)(log_file, path, head[1]) < 0 ||
      (size && REAL(write)(log_file, data, size) < 0))
    abort();
}
/* Returns 0 to go on, 1 to fail with errno set, 2 for a short write. */
static int strikes(int is_sync, int is_write) {
  pthread_mutex_lock(&lock);
  int verdict = 0;
  if (armed) {
    long mine = failing < 0 && !is_sync ? -1 : counted++;
    if (failing < 0) {
      if (mine == countdown) verdict = 1, errno = -failing;
    } else if (failing > 0 && mine >= countdown) {
      if (mine == countdown && is_write) verdict = 2;
      else if (!is_sync) verdict = 1, errno = failing;
    }
  }
  pthread_mutex_unlock(&lock);
  return verdict;
}
void faults_arm(long at, int error) { countdown = at, failing = error, counted = 0, armed = 1; }
long faults_disarm(void) { armed = 0; return counted; }
void faults_log(int on, const char *name) { if (on) logging = 1; record('M', name, 0, "", 0); logging = on; }

static ssize_t writing(int fd, const void *data, size_t size, off_t offset, int positioned) {
  char path[4096];
  if (!path_of(fd, path))
    return positioned ? REAL(pwrite)(fd, data, size, offset) : REAL(write)(fd, data, size);
  if (!positioned) offset = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
  int verdict = strikes(0, size > 1);
  if (verdict == 1) return -1;
  if (verdict == 2) size /= 2;
  ssize_t done = positioned ? REAL(pwrite)(fd, data, size, offset) : REAL(write)(fd, data, size);
  if (done > 0) record('W', path, offset, data, done);
  return done;
}
ssize_t write(int fd, const void *data, size_t size) { return writing(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return writing(fd, data, size, offset, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return writing(fd, data, size, offset, 1); }

/* numpy writes arrays through a stream, whose own calls to write() nobody can come between. */
size_t fwrite(const void *data, size_t size, size_t n, FILE *stream) {
  char path[4096];
  if (!path_of(fileno(stream), path)) return REAL(fwrite)(data, size, n, stream);
  fflush(stream);
  off_t start = ftello(stream);
  ssize_t done = 0;
  while ((size_t)done < size * n) {
    ssize_t part = writing(fileno(stream), (const char *)data + done, size * n - done, start + done, 1);
    if (part < 0) break;
    done += part;
  }
  fseeko(stream, start + done, SEEK_SET);
  return size ? done / size : 0;
}

static int opening(const char *path, int flags, mode_t mode, int at) {
  char whole[4096];
  if (path[0] != '/' && getcwd(whole, 2048)) { strcat(whole, "/"); strncat(whole, path, 2000); } else snprintf(whole, sizeof whole, "%s", path);
  if (!ours(whole) || (flags & O_ACCMODE) == O_RDONLY) return REAL(openat)(at, path, flags, mode);
  int there = access(path, F_OK) == 0, cuts = there && (flags & O_TRUNC), makes = !there && (flags & O_CREAT);
  if (armed && failing == EROFS) { errno = EROFS; return -1; }
  if ((makes || cuts) && strikes(0, 0) == 1) return -1;
  int fd = REAL(openat)(at, path, flags, mode);
  if (fd >= 0 && makes) record('C', whole, 0, "", 0);
  if (fd >= 0 && cuts) record('T', whole, 0, "", 0);
  return fd;
}
#define MODE mode_t mode = 0; if (flags & O_CREAT) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { MODE return opening(path, flags, mode, AT_FDCWD); }
int open64(const char *path, int flags, ...) { MODE return opening(path, flags, mode, AT_FDCWD); }
int openat(int at, const char *path, int flags, ...) { MODE return opening(path, flags, mode, at); }
int openat64(int at, const char *path, int flags, ...) { MODE return opening(path, flags, mode, at); }

static int cutting(int fd, off_t size) {
  char path[4096];
  if (!path_of(fd, path)) return REAL(ftruncate)(fd, size);
  if (strikes(0, 0) == 1) return -1;
  int result = REAL(ftruncate)(fd, size);
  if (result == 0) record('T', path, size, "", 0);
  return result;
}
int ftruncate(int fd, off_t size) { return cutting(fd, size); }
int ftruncate64(int fd, off_t size) { return cutting(fd, size); }

static int syncing(int fd, int whole) {
  char path[4096];
  if (!path_of(fd, path)) return whole ? REAL(fsync)(fd) : REAL(fdatasync)(fd);
  if (strikes(1, 0) == 1) return -1;
  record('S', path, 0, "", 0); /* nothing is synced for real: it only takes time */
  return 0;
}
int fsync(int fd) { return syncing(fd, 1); }
int fdatasync(int fd) { return syncing(fd, 0); }

int rename(const char *old, const char *new) {
  if (!ours(new)) return REAL(rename)(old, new);
  if (strikes(0, 0) == 1) return -1;
  int result = REAL(rename)(old, new);
  if (result == 0) record('R', old, 0, new, strlen(new));
  return result;
}
int unlink(const char *path) {
  if (!ours(path)) return REAL(unlink)(path);
  if (armed && failing == EROFS) { errno = EROFS; return -1; }
  int result = REAL(unlink)(path);
  if (result == 0) record('U', path, 0, "", 0);
  return result;
}
int mkdir(const char *path, mode_t mode) {
  if (!ours(path)) return REAL(mkdir)(path, mode);
  if (access(path, F_OK) != 0 && strikes(0, 0) == 1) return -1;
  int result = REAL(mkdir)(path, mode);
  if (result == 0) record('D', path, 0, "", 0);
  return result;
}
