import FoundationEssentials
import Glibc

/// What the operating system and the batch system let this process use.
enum Machine {
  /// The least of CPU affinity, the cgroup's CPU quota and SLURM_CPUS_PER_TASK.
  static func availableCores(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    quota: String? = contents("/sys/fs/cgroup/cpu.max")
  ) -> Int {
    // Respects the affinity mask.
    var cores = ProcessInfo.processInfo.activeProcessorCount
    if let limit = coreQuota(quota) { cores = min(cores, limit) }
    if let slurm = environment["SLURM_CPUS_PER_TASK"].flatMap(Int.init), slurm > 0 {
      cores = min(cores, slurm)
    }
    return max(1, cores)
  }

  /// `cpu.max` of cgroup v2: "QUOTA PERIOD" or "max PERIOD"; whole cores, at least one.
  static func coreQuota(_ text: String?) -> Int? {
    let fields = (text ?? "").split(whereSeparator: \.isWhitespace)
    guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]), period > 0 else {
      return nil
    }
    return max(1, Int(quota / period))
  }

  /// Bytes: physical memory or the cgroup's limit, whichever is less.
  static func memory() -> Int {
    let physical = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    let limit = contents("/sys/fs/cgroup/memory.max").flatMap { Int($0.filter(\.isNumber)) }
    return min(physical, limit ?? .max)
  }

  /// Peak resident memory of this process so far, in bytes.
  static func peakResident() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }

  static func contents(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 256)
    guard fgets(&buffer, 256, file) != nil else { return nil }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
