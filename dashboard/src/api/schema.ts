/** The schemas of the HTTP API. Written by `make types`: do not edit. */

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @enum {string} */
        Action: "retry" | "promote" | "cancel" | "remove" | "change_priority";
        AddedFlow: {
            queue: string;
            id: string;
            name: string;
            state: components["schemas"]["JobState"];
            url: string;
            children: components["schemas"]["AddedFlow"][];
        };
        AddedJob: {
            id: string;
            state: components["schemas"]["JobState"];
            queue: string;
            url: string;
        };
        AddedJobs: {
            jobs: components["schemas"]["AddedJob"][];
        };
        AllSchedules: {
            schedules: components["schemas"]["ScheduleView"][];
            complete: boolean;
        };
        Attention: {
            /** @enum {string} */
            level: "warning" | "critical";
            kind: string;
            text: string;
            queue?: string | null;
            link: components["schemas"]["Link"];
        };
        BackoffBody: {
            type: string;
            /** @default 0 */
            delay: number | string;
            /** @default 0 */
            jitter: number;
        };
        BulkOrder: {
            action: components["schemas"]["Action"];
            ids?: string[] | null;
            match?: components["schemas"]["Match"] | null;
            cursor?: string | null;
            /** @default cancelled */
            reason: string;
            priority?: number | null;
            /** @default false */
            dry_run: boolean;
        };
        BulkStep: {
            matched: number;
            changed: number;
            skipped: components["schemas"]["Skipped"][];
            skipped_count: number;
            cursor: string | null;
            scanned: number;
            total: number;
        };
        Cancellation: {
            /** @default cancelled */
            reason: string;
        };
        Child: {
            key: string;
            queue: string;
            id: string;
            prefix: string;
            name: string | null;
            state: string | null;
        };
        ChildCounts: {
            processed: number;
            unprocessed: number;
            failed: number;
            ignored: number;
        };
        ChildPage: {
            children: components["schemas"]["Child"][];
            cursor: string | null;
            total: number;
        };
        CleanBody: {
            /** @default false */
            dry_run: boolean;
            /** @enum {string} */
            state: "waiting" | "prioritized" | "delayed" | "active" | "waiting-children" | "completed" | "failed";
            older_than: number | string;
            limit?: number | null;
        };
        CountedTimes: {
            completed: number;
            failed: number;
            retried: number;
            run: components["schemas"]["Spread"];
            wait: components["schemas"]["Spread"];
        };
        DeduplicationBody: {
            id: string;
            ttl?: number | string | null;
            /** @default false */
            extend: boolean;
            /** @default false */
            replace: boolean;
            /** @default false */
            keep_last_if_active: boolean;
        };
        DrainBody: {
            /** @default false */
            dry_run: boolean;
            /** @default false */
            delayed: boolean;
        };
        Edited: {
            data?: unknown;
        };
        EndedJob: {
            id: string;
            state: components["schemas"]["JobState"];
            queue: string;
            url: string;
            result?: unknown;
            failed_reason?: string | null;
        };
        Entries: {
            entries: components["schemas"]["Entry"][];
            cursor: string | null;
        };
        Entry: {
            id: string;
            at: string | null;
            user: string;
            role: string;
            action: string;
            queue: string;
            scope: string;
            result: string;
        };
        EventPage: {
            events: components["schemas"]["JobEvent"][];
            cursor: string | null;
        };
        FailureGroup: {
            fingerprint: string;
            error: string;
            message: string;
            frame: string | null;
            count: number;
            first_at: string | null;
            last_at: string | null;
            names: {
                [key: string]: number;
            };
            sample_id: string;
            trend: number[];
        };
        Failures: {
            groups: components["schemas"]["FailureGroup"][];
            scanned: number;
            total: number;
            complete: boolean;
        };
        FieldError: {
            field: string;
            message: string;
        };
        Flow: {
            root: components["schemas"]["JobRef"];
            nodes: components["schemas"]["FlowNode"][];
            edges: {
                [key: string]: string;
            }[];
            truncated: boolean;
        };
        FlowNode: {
            key: string;
            queue: string;
            id: string;
            prefix: string;
            visible: boolean;
            name: string;
            state: string;
            progress: unknown;
            run_time: number | null;
            added_at: string | null;
            started_at: string | null;
            finished_at: string | null;
            failed_reason: string | null;
            data_preview: string;
            depth: number;
            child_counts: components["schemas"]["ChildCounts"];
            more: number;
        };
        Health: {
            /** @enum {string} */
            status: "ok" | "unavailable";
        };
        HeatColumn: {
            /** Format: date-time */
            at: string;
            run: number[];
            wait: number[];
        };
        HeatMap: {
            step: number;
            bounds: number[];
            columns: components["schemas"]["HeatColumn"][];
        };
        HeavyJobs: {
            reconciled: boolean;
            report: components["schemas"]["ReconcilerReport"] | null;
        };
        JobChange: {
            data?: unknown;
            delay?: (number | string) | null;
            priority?: number | null;
        };
        JobEvent: {
            id: string;
            name: string;
            at: string | null;
            fields: {
                [key: string]: unknown;
            };
        };
        JobPage: {
            jobs: components["schemas"]["JobRow"][];
            cursor: string | null;
            total: number;
            scanned: number;
            matched: number;
            /** Format: date-time */
            at: string;
        };
        JobRef: {
            queue: string;
            id: string;
            prefix: string;
        };
        JobRow: {
            id: string;
            name: string;
            state: string;
            queue: string;
            attempts_made: number;
            attempts_allowed: number;
            priority: number;
            progress: unknown;
            added_at: string | null;
            delay: number;
            due_at: string | null;
            started_at: string | null;
            finished_at: string | null;
            run_time: number | null;
            wait_time: number | null;
            failed_reason: string | null;
            worker: string | null;
            data_preview: string;
            scheduler: string | null;
            parent: components["schemas"]["JobRef"] | null;
        };
        /** @enum {string} */
        JobState: "waiting" | "prioritized" | "delayed" | "active" | "waiting-children" | "completed" | "failed" | "unknown";
        JobView: {
            id: string;
            name: string;
            state: string;
            queue: string;
            attempts_made: number;
            attempts_allowed: number;
            priority: number;
            progress: unknown;
            added_at: string | null;
            delay: number;
            due_at: string | null;
            started_at: string | null;
            finished_at: string | null;
            run_time: number | null;
            wait_time: number | null;
            failed_reason: string | null;
            worker: string | null;
            data_preview: string;
            scheduler: string | null;
            parent: components["schemas"]["JobRef"] | null;
            data: unknown;
            data_size: number;
            data_truncated: boolean;
            options: {
                [key: string]: unknown;
            };
            result: unknown;
            result_truncated: boolean;
            stacktrace: string[];
            fingerprint: string | null;
            attempts_started: number;
            stalled_count: number;
            timeline: components["schemas"]["TimelineEntry"][];
            why: string | null;
            logs_count: number;
            children: components["schemas"]["ChildCounts"];
            flow_root: components["schemas"]["JobRef"] | null;
            deduplication_id: string | null;
            lock: components["schemas"]["Lock"] | null;
            stuck: boolean;
            similar_failures: number | null;
            python_call: string;
            node_call: string;
            run: components["schemas"]["PodRun"] | null;
            version: string | null;
        };
        KeepBody: {
            count?: number | null;
            age?: number | string | null;
        };
        KeptTotals: {
            completed: number;
            failed: number;
            minutes: number;
        };
        Latency: {
            median: number;
            worst: number;
            samples: number;
        };
        Link: {
            /** @enum {string} */
            screen: "queue" | "jobs" | "failures" | "workers" | "schedules" | "redis" | "kubernetes";
            state?: string | null;
            search?: string | null;
            job_id?: string | null;
        };
        Load: {
            load: number;
            active: number;
            due: number;
            capacity: number;
            queues: {
                [key: string]: components["schemas"]["QueueLoad"];
            };
        };
        Lock: {
            held: boolean;
            expires_in: number | null;
        };
        LogPage: {
            lines: string[];
            cursor: string | null;
            total: number;
        };
        Match: {
            /** @enum {string} */
            state: "waiting" | "prioritized" | "delayed" | "active" | "waiting-children" | "completed" | "failed";
            /** @default  */
            search: string;
        };
        MetricsPoint: {
            /** Format: date-time */
            at: string;
            exact: boolean;
            completed: number;
            failed: number;
            retried: number | null;
            waiting: number | null;
            active: number | null;
            run_p50: number | null;
            run_p95: number | null;
            run_p99: number | null;
            wait_p50: number | null;
            wait_p95: number | null;
            wait_p99: number | null;
            sampled: number;
        };
        NameTimings: {
            name: string;
            count: number;
            failed: number;
            run_p50: number | null;
            run_p95: number | null;
        };
        NewFlow: {
            name: string;
            data?: unknown;
            options?: components["schemas"]["OptionsBody"] | null;
            queue: string;
            /** @default [] */
            children: components["schemas"]["NewFlow"][];
        };
        NewJob: {
            name: string;
            data?: unknown;
            options?: components["schemas"]["OptionsBody"] | null;
        };
        NewJobs: {
            jobs: components["schemas"]["NewJob"][];
        };
        NewLimits: {
            concurrency?: number | null;
            rate_limit?: components["schemas"]["NewRateLimit"] | null;
        };
        NewRateLimit: {
            max: number;
            duration: number;
        };
        NewSchedule: {
            cron?: string | null;
            every?: number | string | null;
            time_zone?: string | null;
            name?: string | null;
            data?: unknown;
            options?: components["schemas"]["OptionsBody"] | null;
            limit?: number | null;
            start_at?: string | null;
            end_at?: string | null;
            /**
             * @default one
             * @enum {string}
             */
            missed: "one" | "skip" | "all";
            /**
             * @default allow
             * @enum {string}
             */
            overlap: "allow" | "skip";
        };
        ObliterateBody: {
            /** @default false */
            dry_run: boolean;
            /** @default false */
            force: boolean;
        };
        OptionsBody: {
            job_id?: string;
            delay?: number | string;
            priority?: number;
            lifo?: boolean;
            attempts?: number;
            backoff?: number | string | components["schemas"]["BackoffBody"];
            timeout?: number | string;
            expires?: number | string;
            remove_on_complete?: boolean | number | components["schemas"]["KeepBody"];
            remove_on_fail?: boolean | number | components["schemas"]["KeepBody"];
            keep_logs?: number;
            deduplication?: string | components["schemas"]["DeduplicationBody"];
            fail_parent_on_failure?: boolean;
            continue_parent_on_failure?: boolean;
            ignore_dependency_on_failure?: boolean;
            remove_dependency_on_failure?: boolean;
        };
        Overview: {
            /** Format: date-time */
            at: string;
            complete: boolean;
            totals: components["schemas"]["Totals"];
            server: components["schemas"]["ServerBrief"];
            attention: components["schemas"]["Attention"][];
            queues: {
                [key: string]: components["schemas"]["QueueSummary"];
            };
            kubernetes: boolean;
        };
        PodRun: {
            namespace: string;
            name: string;
            pod: string;
            number: number;
            attempt: number;
            /** @enum {string} */
            phase: "spawning" | "spawned" | "over";
            started_at: string | null;
            heart_at: string | null;
            silent_for: number | null;
            disruptions: number;
            commands: string[];
        };
        Point: {
            /** Format: date-time */
            at: string;
            completed: number;
            failed: number;
        };
        Problem: {
            /** @default about:blank */
            type: string;
            title: string;
            status: number;
            detail: string;
            errors?: components["schemas"]["FieldError"][] | null;
            state?: string | null;
            outcome?: string | null;
        };
        PromoteBody: {
            /** @default false */
            dry_run: boolean;
        };
        QueueDetail: {
            name: string;
            counts: {
                [key: string]: number;
            };
            paused: boolean;
            held: string[];
            latency: number | null;
            workers: number | null;
            slots: number;
            busy: number;
            completed_per_minute: number;
            failed_per_minute: number;
            added_per_minute: number;
            spark: components["schemas"]["Point"][];
            last_event: string;
            limits: components["schemas"]["QueueLimits"];
            version: string | null;
            max_events: number;
            schedules: number;
            priorities: {
                [key: string]: number;
            };
            broken: string[];
        };
        QueueLimits: {
            concurrency: number | null;
            rate_max: number | null;
            rate_duration: number | null;
            held_for: number;
        };
        QueueList: {
            queues: components["schemas"]["QueueSummary"][];
            complete: boolean;
        };
        QueueLoad: {
            load: number;
            active: number;
            due: number;
            capacity: number;
        };
        QueueMemory: {
            name: string;
            jobs: number;
            memory_estimate: number | null;
            share: number | null;
        };
        QueueMetrics: {
            points: components["schemas"]["MetricsPoint"][];
            recent: components["schemas"]["RecentTimings"];
            counted: components["schemas"]["CountedTimes"] | null;
            heat: components["schemas"]["HeatMap"] | null;
            kept: components["schemas"]["KeptTotals"] | null;
        };
        QueueSummary: {
            name: string;
            counts: {
                [key: string]: number;
            };
            paused: boolean;
            held: string[];
            latency: number | null;
            workers: number | null;
            slots: number;
            busy: number;
            completed_per_minute: number;
            failed_per_minute: number;
            added_per_minute: number;
            spark: components["schemas"]["Point"][];
            last_event: string;
        };
        RecentTimings: {
            completed_run: components["schemas"]["Spread"];
            wait: components["schemas"]["Spread"];
            by_name: components["schemas"]["NameTimings"][];
        };
        ReconcilerReport: {
            at: string | null;
            leader: string;
            term: number;
            silent_for: number | null;
            owner: string;
            address: string;
            namespaces: string[];
            took: number;
            error: string;
            counts: {
                [key: string]: number;
            };
            runs: components["schemas"]["WatchedRun"][];
            repairs: components["schemas"]["RunRepair"][];
        };
        RetryBody: {
            /** @default false */
            dry_run: boolean;
            failed_before?: string | null;
        };
        /** @enum {string} */
        Role: "viewer" | "operator" | "admin";
        RunRepair: {
            at: string | null;
            namespace: string;
            name: string;
            queue: string;
            job_id: string;
            action: string;
            why: string;
            result: string;
        };
        SchedulePage: {
            schedules: components["schemas"]["ScheduleView"][];
            cursor: string | null;
        };
        ScheduleRun: {
            job_id: string;
            state: string;
            at: string | null;
            run_time: number | null;
        };
        ScheduleView: {
            queue: string;
            id: string;
            name: string;
            words: string;
            cron: string | null;
            every: number | null;
            time_zone: string | null;
            next_at: string | null;
            next_five: string[];
            paused: boolean;
            limit: number | null;
            runs_made: number | null;
            start_at: string | null;
            end_at: string | null;
            missed: string;
            overlap: string;
            declared: boolean;
            legacy: boolean;
            last_runs: components["schemas"]["ScheduleRun"][];
            data: unknown;
            options: {
                [key: string]: unknown;
            };
            late: boolean;
        };
        ServerBrief: {
            name: string;
            memory: number;
            max_memory: number | null;
            latency: number;
        };
        ServerFinding: {
            level: string;
            subject: string;
            what: string;
            why: string;
            fix: string[];
        };
        ServerMemory: {
            used: number;
            limit: number | null;
            share: number | null;
            peak: number;
            resident: number;
            fragmentation: number | null;
        };
        ServerView: {
            name: string;
            version: string;
            address: string;
            uptime: number | null;
            memory: components["schemas"]["ServerMemory"] | null;
            persistence: string;
            eviction: string;
            findings: components["schemas"]["ServerFinding"][];
            clients: {
                [key: string]: number;
            };
            latency: components["schemas"]["Latency"];
            queues: components["schemas"]["QueueMemory"][];
            slowlog: components["schemas"]["SlowCall"][] | null;
        };
        Session: {
            role: components["schemas"]["Role"];
            user: string;
            queues: string[] | null;
            auth: string;
            prefix: string;
            version: string;
        };
        SignIn: {
            token: string;
        };
        Skipped: {
            id: string;
            reason: string;
        };
        SlowCall: {
            /** Format: date-time */
            at: string;
            took: number;
            command: string;
        };
        Spread: {
            p50: number | null;
            p95: number | null;
            p99: number | null;
        };
        Step: {
            count: number;
            dry_run: boolean;
            more: boolean;
        };
        Suggestions: {
            names: string[];
            workers: string[];
            data_keys: string[];
        };
        TimelineEntry: {
            state: string;
            at: string | null;
            text: string;
            duration: number | null;
        };
        Totals: {
            added_per_second: number;
            finished_per_second: number;
            failed_per_minute: number;
            oldest_waiting: number | null;
            workers: number;
            busy: number;
            slots: number;
            unfinished: number;
        };
        WatchedRun: {
            namespace: string;
            name: string;
            queue: string;
            job_id: string;
            task: string;
            attempt: number;
            number: number;
            queue_says: string;
            cluster_says: string;
            action: string;
            why: string;
            since: string | null;
        };
        Worker: {
            id: string;
            queue: string;
            name?: string | null;
            /** @enum {string} */
            kind: "oxmq" | "other";
            host?: string | null;
            pid?: number | null;
            version?: string | null;
            address?: string | null;
            connected_for?: number | null;
            started_at?: string | null;
            slots?: number | null;
            /** @default 0 */
            busy: number;
            jobs?: components["schemas"]["WorkerJob"][];
            /** @enum {string} */
            health: "ok" | "stuck" | "slow" | "paused" | "unknown" | "gone";
            /** @default  */
            reason: string;
            memory?: number | null;
            loop_lag?: number | null;
            last_fetch?: number | null;
            /** @default 0 */
            completed: number;
            /** @default 0 */
            failed: number;
        };
        WorkerJob: {
            id: string;
            name: string;
            running_for: number;
        };
        WorkerList: {
            workers: components["schemas"]["Worker"][];
            complete: boolean;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
