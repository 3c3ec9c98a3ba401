using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Orleans.Runtime.Hosting;
using Orleans.Serialization.Serializers;
using Orleans.Storage;

namespace OrleansRealtime.Channels.Sqlite;

public static class SqliteRegistration
{
    /// <summary>Keeps the logs of all channels in a SQLite file of this process. For one silo: a cluster needs a store that it shares.</summary>
    /// <param name="configuration">The root; <see cref="SqliteOptions.Section"/> is read from it.</param>
    public static IServiceCollection AddSqliteChannelStore(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<SqliteOptions>().Bind(configuration.GetSection(SqliteOptions.Section)).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<SqliteOptions>, SqliteOptionsValidator>());
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<SqliteChannelStore>();
        services.TryAddSingleton<IChannelStore>(provider => provider.GetRequiredService<SqliteChannelStore>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<ILifecycleParticipant<ISiloLifecycle>, OpenBeforeGrains>());
        return services;
    }

    /// <summary>Keeps grain state in the same file. Needs <see cref="AddSqliteChannelStore"/>.</summary>
    public static ISiloBuilder AddSqliteGrainStorage(this ISiloBuilder silo, string name)
    {
        silo.Services.AddGrainStorage(name, (provider, key) => new SqliteGrainStorage(
            key,
            provider.GetRequiredService<SqliteChannelStore>(),
            provider.GetRequiredService<IGrainStorageSerializer>(),
            provider.GetRequiredService<IActivatorProvider>()));
        return silo;
    }

    /// <summary>Keeps reminders in the same file. Needs <see cref="AddSqliteChannelStore"/>.</summary>
    public static ISiloBuilder AddSqliteReminders(this ISiloBuilder silo)
    {
        silo.AddReminders();
        silo.Services.AddSingleton<IReminderTable>(provider => new SqliteReminderTable(provider.GetRequiredService<SqliteChannelStore>()));
        return silo;
    }

    /// <summary>The first thing a silo does, so that a file that cannot be used stops the start before any grain runs.</summary>
    sealed class OpenBeforeGrains(SqliteChannelStore store) : ILifecycleParticipant<ISiloLifecycle>
    {
        public void Participate(ISiloLifecycle lifecycle) =>
            lifecycle.Subscribe(nameof(SqliteChannelStore), ServiceLifecycleStage.First, _ =>
            {
                store.Open();
                return Task.CompletedTask;
            });
    }
}
