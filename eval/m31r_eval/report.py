def write_report(runs, out):
    raise NotImplementedError
