using System.Runtime.InteropServices;
using System.Text.Json;
using System.Xml.Linq;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.Kubernetes;

/// <summary>What can be held of a Dockerfile without an engine that builds it.</summary>
public sealed class DockerfileTests
{
    public static TheoryData<string> Projects => ["gateway/Gateway.csproj", "silo/Silo.csproj"];

    [Theory, MemberData(nameof(Projects))]
    public void Everything_that_is_copied_exists_and_is_not_ignored(string project)
    {
        string[] ignored = [.. File.ReadLines(Path.Combine(Overlay.Root, ".dockerignore")).Where(line => line is [not '#', ..] && !line.Contains('*'))];
        Assert.All(Copied(project), path =>
        {
            Assert.True(Path.Exists(Path.Combine(Overlay.Root, path)), path);
            Assert.DoesNotContain(ignored, folder => (path + "/").StartsWith(folder + "/", StringComparison.Ordinal));
        });
    }

    [Theory, MemberData(nameof(Projects))]
    public void All_that_restoring_needs_is_copied_before_it(string project)
    {
        var copied = Copied(project, until: "RUN dotnet restore").ToHashSet();
        Assert.Superset(new HashSet<string> { "global.json", "Directory.Build.props", "Directory.Packages.props" }, copied);
        Assert.All(WithReferences(project).Distinct(), path =>
        {
            Assert.Contains(path, copied);
            Assert.Contains(Path.Combine(Path.GetDirectoryName(path)!, "packages.lock.json"), copied);
            Assert.All(
                XDocument.Load(Path.Combine(Overlay.Root, path)).Descendants("Import"),
                import => Assert.Contains(Resolve(path, import.Attribute("Project")!.Value), copied));
        });
    }

    [Theory, MemberData(nameof(Projects))]
    public void The_image_runs_the_program_as_an_ordinary_user_without_a_shell(string project)
    {
        var lines = Lines(project).ToList();
        var last = lines[lines.FindLastIndex(line => line.StartsWith("FROM ", StringComparison.Ordinal))..];
        Assert.EndsWith("-chiseled", last[0], StringComparison.Ordinal);
        Assert.Contains("USER 1654", last);
        Assert.DoesNotContain(last, line => line.StartsWith("RUN ", StringComparison.Ordinal));
        Assert.Contains($"ENTRYPOINT [\"dotnet\", \"{Path.GetFileNameWithoutExtension(project)}.dll\"]", last);
        Assert.Contains("ENV HTTP_PORTS=8080", last);
    }

    [Theory, MemberData(nameof(Projects))]
    public async Task The_program_in_the_image_is_compiled_ahead_for_its_platform_and_no_package_is_another_than_the_lock_files(string project)
    {
        Assert.Contains($"RUN dotnet restore {project} --locked-mode -p:Configuration=Release", Lines(project));
        Assert.Contains(Lines(project), line => line.StartsWith($"RUN dotnet publish {project} --no-restore --configuration Release ", StringComparison.Ordinal));
        var release = await PropertiesAsync("Release");
        Assert.Equal("true", release["PublishReadyToRun"]);
        Assert.Equal($"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}", release["RuntimeIdentifier"]);
        Assert.Equal("false", release["SelfContained"]);
        Assert.Equal("", (await PropertiesAsync("Debug"))["PublishReadyToRun"]);

        async Task<Dictionary<string, string>> PropertiesAsync(string configuration)
        {
            string json = await DotNetTool.RunAsync(
                Overlay.Root, "msbuild", project, $"-p:Configuration={configuration}", "-getProperty:PublishReadyToRun,RuntimeIdentifier,SelfContained");
            return JsonDocument.Parse(json).RootElement.GetProperty("Properties").Deserialize<Dictionary<string, string>>()!;
        }
    }

    static IEnumerable<string> Lines(string project) => File.ReadLines(Path.Combine(Overlay.Root, Path.GetDirectoryName(project)!, "Dockerfile"));

    /// <summary>What comes from the repository, without trailing slashes.</summary>
    static IEnumerable<string> Copied(string project, string? until = null) => Lines(project)
        .TakeWhile(line => until is null || !line.StartsWith(until, StringComparison.Ordinal))
        .Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from=", StringComparison.Ordinal))
        .SelectMany(line => line.Split(' ')[1..^1])
        .Select(path => path.TrimEnd('/'));

    static IEnumerable<string> WithReferences(string project) => XDocument.Load(Path.Combine(Overlay.Root, project))
        .Descendants("ProjectReference")
        .SelectMany(reference => WithReferences(Resolve(project, reference.Attribute("Include")!.Value)))
        .Prepend(project);

    /// <summary>What a project names, as seen from the repository's root.</summary>
    static string Resolve(string project, string relative) =>
        Path.GetRelativePath(Overlay.Root, Path.GetFullPath(Path.Combine(Overlay.Root, Path.GetDirectoryName(project)!, relative)));
}
