/** A past-tense fact with its payload, by name: `{ "install.stage-reached": {…} }`. */
export type EventMap = Record<string, unknown>;

export interface SubscriberStats {
  /** Never used again within this process. */
  id: number;
  name: string;
  queued: number;
  handled: number;
  dropped: number;
  failed: number;
}

export interface EventBus<Events extends EventMap> {
  /** Hands the fact to each subscriber's queue and returns at once. Publish after the commit, never before. */
  publish<Name extends keyof Events & string>(name: Name, fact: Events[Name]): void;
  /** Runs `handle` for each fact, in order, one at a time. At most `limit` wait; more are dropped and counted. */
  subscribe<Name extends keyof Events & string>(
    subscriber: string,
    name: Name,
    handle: (fact: Events[Name]) => void | Promise<void>,
    options?: { limit?: number },
  ): () => void;
  stats(): SubscriberStats[];
}

interface Subscription {
  id: number;
  name: string;
  event: string;
  limit: number;
  queue: unknown[];
  running: boolean;
  /** Facts it works through now, taken out of the queue. */
  underWay: number;
  handled: number;
  dropped: number;
  failed: number;
  handle: (fact: unknown) => void | Promise<void>;
}

export function createEventBus<Events extends EventMap>(
  onError: (subscriber: string, error: unknown) => void,
): EventBus<Events> {
  const subscriptions = new Set<Subscription>();
  let subscribed = 0;

  async function drain(subscription: Subscription): Promise<void> {
    subscription.running = true;
    while (subscription.queue.length > 0) {
      const batch = subscription.queue.splice(0);
      subscription.underWay = batch.length;
      for (const fact of batch) {
        try {
          await subscription.handle(fact);
        } catch (error) {
          subscription.failed++;
          onError(subscription.name, error);
        }
        subscription.underWay--;
        subscription.handled++;
      }
    }
    subscription.running = false;
  }

  return {
    publish(name, fact) {
      for (const subscription of subscriptions) {
        if (subscription.event !== name) continue;
        if (subscription.queue.length >= subscription.limit) {
          subscription.dropped++;
          continue;
        }
        subscription.queue.push(fact);
        if (!subscription.running) void drain(subscription);
      }
    },
    subscribe(subscriber, name, handle, options = {}) {
      const subscription: Subscription = {
        id: ++subscribed,
        name: subscriber,
        event: name,
        limit: options.limit ?? 1000,
        queue: [],
        running: false,
        underWay: 0,
        handled: 0,
        dropped: 0,
        failed: 0,
        // checked: publish hands a subscription only facts of the event it named
        handle: handle as (fact: unknown) => void | Promise<void>,
      };
      subscriptions.add(subscription);
      return () => subscriptions.delete(subscription);
    },
    stats: () =>
      [...subscriptions].map(({ id, name, queue, underWay, handled, dropped, failed }) => ({
        id,
        name,
        queued: queue.length + underWay,
        handled,
        dropped,
        failed,
      })),
  };
}
