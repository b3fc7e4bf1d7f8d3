/** A part of a role that was started and can be stopped. */
export interface Running {
  stop(): Promise<void>;
}

/** What a role has started so far; stopped in reverse, each part once. */
export interface Started extends Running {
  keep<Part extends Running>(part: Part): Part;
}

export function createStarted(): Started {
  const parts: Running[] = [];
  return {
    keep(part) {
      parts.push(part);
      return part;
    },
    async stop() {
      for (const part of parts.splice(0).reverse()) await part.stop();
    },
  };
}
